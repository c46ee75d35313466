"""A provider that redirects: real sockets, since which client follows what is LiteLLM's and httpx's doing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.trackers.llm import LLMTracker
from tests.core.listener import listening
from tests.django.factories import KEY, make_config

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES = [{"role": "user", "content": "a prompt that stays here"}]
PROVIDERS = {
    "openai": "gpt-4o-mini",
    "openai_compatible": "some-model",
    "azure_openai": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.0-flash",
    "deepseek": "deepseek-chat",
}
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def call(mode: str) -> None:
    if mode == "sync":
        LLMTracker.call_and_track(MESSAGES)
    elif mode == "stream":
        list(LLMTracker.call_and_track(MESSAGES, stream=True))
    elif mode == "async":
        asyncio.run(LLMTracker.acall_and_track(MESSAGES))
    else:
        asyncio.run(_drain())


async def _drain() -> None:
    async for _ in await LLMTracker.acall_and_track(MESSAGES, stream=True):
        pass


def options(provider: str, base: str) -> dict[str, Any]:
    return {
        "model": PROVIDERS[provider],
        "api_key": KEY,
        "api_base": base,
        "num_retries": 0,
        "api_version": "2024-10-21",
    }


@pytest.mark.parametrize("status", [302, 307, 308])
@pytest.mark.parametrize("mode", ["sync", "stream", "async", "async-stream"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_redirect_to_another_host_is_not_followed(provider: str, mode: str, status: int) -> None:
    with (
        listening(lambda _path: (200, {}, b"the inner service's secret")) as inner,
        listening(lambda path: (status, {"Location": f"{inner.base}{path}"}, b"moved")) as outer,
    ):
        make_config(provider=provider, config=options(provider, outer.base))

        with pytest.raises(Exception) as caught:  # noqa: PT011 - what LiteLLM makes of the status is its own affair
            call(mode)

    assert inner.requests == []
    assert len(outer.requests) == 1
    assert "inner service" not in str(caught.value)
    assert "inner service" not in str(LLMUsage.objects.get().error)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_redirect_within_the_host_is_followed(mode: str) -> None:
    def respond(path: str) -> tuple[int, dict[str, str], bytes]:
        if path.endswith("/"):
            return 200, {"Content-Type": "application/json"}, json.dumps(ANSWER).encode()
        return 307, {"Location": f"{path}/"}, b""

    with listening(respond) as outer:
        make_config(config=options("openai", outer.base))

        call(mode)

    assert [path for path, _, _ in outer.requests] == ["/chat/completions", "/chat/completions/"]
    assert outer.requests[1][2] == outer.requests[0][2]


def test_redirects_without_end_end() -> None:
    with listening(lambda path: (307, {"Location": f"{path}x"}, b"")) as outer:
        make_config(config=options("openai", outer.base))

        with pytest.raises(Exception, match="litellm"):
            call("sync")

    assert len(outer.requests) == 6  # the first one and MAX_REDIRECTS


def test_clients_of_the_host_follow_as_before() -> None:
    with (
        listening(lambda _path: (200, {}, b"there")) as other,
        listening(lambda path: (307, {"Location": f"{other.base}{path}"}, b"")) as outer,
    ):
        assert httpx.get(outer.base, follow_redirects=True).text == "there"
