"""Fallback from end to end: policies in the database, a provider that is down, one that answers, and rows that say so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from example.stub_provider import StubProvider, directive
from tests.django.builders import make_stub_config, make_user
from tests.django.trackers.operation_cases import run
from tests.django.trackers.test_llm import assert_three_traces_agree, drain
from tests.telemetry.recording import RecordedTelemetry

pytestmark = pytest.mark.django_db

MESSAGES = [{"role": "user", "content": directive(in_=7, out=5, text="Hi there", chunks=2)}]


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def dead_base() -> Iterator[str]:
    """An address that refuses connections, reserved for as long as the test runs."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"


def policy(*backups: LLMConfig, **keys: Any) -> dict[str, Any]:
    return {"model_uuids": [str(backup.uuid) for backup in backups], "timeout_seconds": 20, **keys}


def rows() -> list[tuple[Any, str]]:
    return [(row.config_uuid, row.status or "") for row in LLMUsage.objects.order_by("created_at", "attempt")]


@pytest.fixture
def pair(stub: StubProvider, dead_base: str) -> tuple[LLMConfig, LLMConfig]:
    """The default configuration, which is down, and its backup."""
    backup = make_stub_config(stub, model="gpt-4o")
    down = make_stub_config(stub, config={"api_base": dead_base}, is_default=True, fallback=policy(backup))
    return down, backup


def test_call_is_answered_by_the_backup(pair: tuple[LLMConfig, LLMConfig], telemetry: RecordedTelemetry) -> None:
    down, backup = pair
    state: dict[str, Any] = {}

    text, usage = LLMTracker.call_and_track(messages=MESSAGES, state=state)

    assert (text, usage["model"]) == ("Hi there", "openai/gpt-4o")
    assert rows() == [(down.uuid, "failed"), (backup.uuid, "succeeded")]
    assert [call["success"] for call in state["llm_calls"]] == [False, True]
    last = LLMUsage.objects.get(success=True)
    assert last.metadata["requested_config_uuid"] == str(down.uuid)
    assert last.metadata["actual_config_uuid"] == str(backup.uuid)
    assert last.metadata["fallback_reason"] == "connection_error"
    assert LLMUsage.objects.values("call_id").distinct().count() == 1
    assert_three_traces_agree(telemetry)


def test_next_call_goes_straight_to_the_backup(pair: tuple[LLMConfig, LLMConfig]) -> None:
    down, backup = pair
    LLMTracker.call_and_track(messages=MESSAGES)

    LLMTracker.call_and_track(messages=MESSAGES)

    assert rows() == [(down.uuid, "failed"), (backup.uuid, "succeeded"), (backup.uuid, "succeeded")]
    third = LLMUsage.objects.order_by("created_at").last()
    assert third is not None
    assert third.metadata["requested_config_uuid"] == str(down.uuid)


def test_stream_is_answered_by_the_backup(pair: tuple[LLMConfig, LLMConfig]) -> None:
    deltas, usage = drain(LLMTracker.call_and_track(messages=MESSAGES, stream=True))

    assert "".join(text for _kind, text in deltas) == "Hi there"
    assert usage["model"] == "openai/gpt-4o"
    assert [status for _uuid, status in rows()] == ["failed", "succeeded"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_streaming", [False, True], ids=["whole", "stream"])
def test_async_call_is_answered_by_the_backup(pair: tuple[LLMConfig, LLMConfig], is_streaming: bool) -> None:
    async def call() -> str:
        if not is_streaming:
            text, _usage = await LLMTracker.acall_and_track(messages=MESSAGES)
            return str(text)
        stream = await LLMTracker.acall_and_track(messages=MESSAGES, stream=True)
        return "".join([text async for _kind, text in stream])

    assert run(call) == "Hi there"
    assert [status for _uuid, status in rows()] == ["failed", "succeeded"]


def test_users_configuration_inherits_the_global_policy(stub: StubProvider, dead_base: str) -> None:
    user = make_user()
    backup = make_stub_config(stub, model="gpt-4o")
    make_stub_config(stub, is_default=True, fallback=policy(backup))
    own = make_stub_config(stub, user=user, config={"api_base": dead_base}, fallback={"inherit_global": True})

    LLMTracker.call_and_track(messages=MESSAGES, state={"user_id": user.pk})

    assert rows() == [(own.uuid, "failed"), (backup.uuid, "succeeded")]


@pytest.mark.parametrize("is_broken", [False, True], ids=["none in use", "none at all"])
def test_call_is_made_although_everything_is_out_of_use(
    pair: tuple[LLMConfig, LLMConfig], settings: Any, is_broken: bool
) -> None:
    down, backup = pair
    for row in pair:
        cache.set(f"agentcore_metering:fallback:{row.uuid}", {"until": None, "reason": "timeout"}, None)
    if is_broken:
        settings.CACHES = {"default": {"BACKEND": "tests.django.config.test_fallback.BrokenCache"}}

    assert LLMTracker.call_and_track(messages=MESSAGES)[0] == "Hi there"
    assert rows() == [(down.uuid, "failed"), (backup.uuid, "succeeded")]


@pytest.mark.parametrize("changes", [{"is_active": False}, {"scope": "user"}, {"model_type": "embedding"}])
def test_backup_that_is_no_longer_one_is_left_out(
    pair: tuple[LLMConfig, LLMConfig], changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    down, backup = pair
    if changes.get("scope") == "user":
        changes = {**changes, "user": make_user()}
    for name, value in {**changes}.items():
        setattr(backup, name, value)
    backup.save()
    down.config = {**down.config, "num_retries": 0}
    down.save()

    with pytest.raises(Exception, match=r"(?i)connect"):
        LLMTracker.call_and_track(messages=MESSAGES)

    assert rows() == [(down.uuid, "failed")]


def test_policy_that_is_none_leaves_the_call_as_it_was(stub: StubProvider, caplog: pytest.LogCaptureFixture) -> None:
    row = make_stub_config(stub, fallback={"model_uuids": "everything"})

    assert LLMTracker.call_and_track(messages=MESSAGES)[0] == "Hi there"
    assert rows() == [(row.uuid, "succeeded")]
    assert "requested_config_uuid" not in LLMUsage.objects.get().metadata
    assert "is not used" in caplog.text


def test_backup_with_a_broken_configuration_is_left_out(stub: StubProvider, dead_base: str) -> None:
    good = make_stub_config(stub, model="gpt-4o")
    broken = make_stub_config(stub, config={"api_key": ""})
    make_stub_config(stub, config={"api_base": dead_base}, is_default=True, fallback=policy(broken, good))

    LLMTracker.call_and_track(messages=MESSAGES)

    assert [uuid for uuid, _status in rows()][1:] == [good.uuid]
