"""A host's tests with the plugin: copied into a directory of its own and run there by `test_plugin`."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import override_settings

from agentcore_metering.adapters.django import LLMTracker, runtime
from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from agentcore_metering.adapters.django.persistence.inline import InlineSink
from agentcore_metering.core.types import CallRecord
from agentcore_metering.testing import FakeLLM, MeteringTelemetry

pytestmark = pytest.mark.django_db

ASK = [{"role": "user", "content": "hello"}]


def test_rows_are_written_inline() -> None:
    assert metering_settings.WRITE_MODE == "inline"
    assert isinstance(runtime.get_metering().sink, InlineSink)


def test_script_is_followed_and_then_the_default(fake_llm: FakeLLM) -> None:
    fake_llm.answer("one").answer("two")

    assert [LLMTracker.call_and_track(ASK)[0] for _ in range(3)] == ["one", "two", "A fake answer."]
    assert len(fake_llm.requests) == 3


@pytest.mark.parametrize("text", ["", " ", "one", " two  words ", "a\nb\n"])
def test_stream_says_the_text_byte_for_byte(fake_llm: FakeLLM, text: str) -> None:
    fake_llm.answer(text, tool_calls=[("f", "{}")])

    assert "".join(part for _, part in LLMTracker.call_and_track(ASK, stream=True)) == text
    assert LLMUsage.objects.get().prompt_tokens == 10


def test_stream_that_breaks_keeps_what_came(fake_llm: FakeLLM, metering_calls: list[CallRecord]) -> None:
    fake_llm.answer("some words", breaks_with=ConnectionError("cut"))

    with pytest.raises(ConnectionError):
        list(LLMTracker.call_and_track(ASK, stream=True))

    assert (metering_calls[0].status, metering_calls[0].output and metering_calls[0].output.text) == (
        "failed",
        "some words",
    )


@pytest.mark.django_db(transaction=True)
def test_event_loop_is_served_too(fake_llm: FakeLLM, metering_calls: list[CallRecord]) -> None:
    async def calls() -> list[str]:
        fake_llm.answer("plain").fail(ConnectionError("cut")).answer("a stream")
        text, _ = await LLMTracker.acall_and_track(ASK)
        return [text, *[part async for _, part in await LLMTracker.acall_and_track(ASK, stream=True)]]

    assert asyncio.run(calls()) == ["plain", "a", " stream"]
    assert [len(call.attempts) for call in metering_calls] == [1, 2]


def test_hosts_own_configuration_is_kept(fake_llm: FakeLLM) -> None:
    LLMConfig.objects.create(
        scope="global", provider="anthropic", config={"model": "claude-haiku-4-5", "api_key": "k" * 20}
    )

    LLMTracker.call_and_track(ASK)

    assert fake_llm.requests[0]["model"] == "anthropic/claude-haiku-4-5"


def test_configuration_of_another_test_is_forgotten(fake_llm: FakeLLM) -> None:
    LLMTracker.call_and_track(ASK)

    assert fake_llm.requests[0]["model"] == "openai/gpt-4o-mini"


@pytest.mark.parametrize("is_first", [True, False])
def test_span_and_record_are_of_the_same_call_in_any_order(request: pytest.FixtureRequest, is_first: bool) -> None:
    names = ["fake_llm", "metering_calls", "metering_telemetry"]
    values: dict[str, Any] = {name: request.getfixturevalue(name) for name in (names if is_first else names[::-1])}
    telemetry: MeteringTelemetry = values["metering_telemetry"]

    LLMTracker.call_and_track(ASK)

    (record,) = values["metering_calls"]
    context = telemetry.span.get_span_context()
    assert context is not None
    assert LLMUsage.objects.get().trace_id == format(context.trace_id, "032x")
    assert (telemetry.span.attributes or {})["agentcore_metering.call.id"] == str(record.call_id)
    assert telemetry.total("agentcore_metering.calls") == 1
    assert telemetry.points("agentcore_metering.retries") == []


def test_meter_is_the_hosts_own_again_after_a_test() -> None:
    assert type(runtime.get_metering().services.backend).__name__ == "LiteLLMBackend"


def test_other_functions_take_a_whole_response(fake_llm: FakeLLM) -> None:
    fake_llm.give(SimpleNamespace(data=[]))

    assert fake_llm.call("embedding", {"model": "m"}).data == []
    with pytest.raises(AssertionError, match=r"fake_llm\.give"):
        fake_llm.call("embedding", {"model": "m"})


def test_settings_may_say_otherwise(fake_llm: FakeLLM) -> None:
    with override_settings(AGENTCORE_METERING_WRITE_MODE="journal"):
        assert metering_settings.WRITE_MODE == "journal"
