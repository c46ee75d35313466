"""A call that goes on by another configuration: more attempts of the same call, each row with requested and actual one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest

from agentcore_metering.core.completion import PLAIN_TEXT, acomplete, complete, json_object
from agentcore_metering.core.fallback import FallbackPlan, bounded
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.streaming import AsyncCompletionStream, CompletionStream
from agentcore_metering.core.types import CallContext, CallRequest, Status
from tests.fakes import ScriptedBackend, World, make_chunk, make_request, make_response, provider_error

FIRST, SECOND, THIRD = (UUID(int=number) for number in (1, 2, 3))
ALL = ("timeout", "rate_limit", "upstream_error", "connection_error", "quota_exhausted", "empty_response")
ANSWER = make_response("fine")
DOWN = provider_error("ServiceUnavailableError", 503)


@dataclass
class ListHealth:
    """Remembers what it was told."""

    down: list[tuple[UUID | None, str]] = field(default_factory=list)
    up: list[UUID | None] = field(default_factory=list)

    def failed(self, config_uuid: UUID | None, condition: str) -> None:
        self.down.append((config_uuid, condition))

    def succeeded(self, config_uuid: UUID | None) -> None:
        self.up.append(config_uuid)


def request_by(uuid: UUID, **changes: Any) -> CallRequest:
    request = make_request(max_retries=0, timeout_s=10.0)
    target = replace(request.target, config_uuid=uuid, litellm_model=f"openai/model-{uuid.int}")
    return replace(request, target=target, **changes)


@dataclass
class Scene:
    world: World
    call: Call
    health: ListHealth


def make_scene(
    *script: Any, conditions: Sequence[str] = ALL, uuids: Sequence[UUID] = (FIRST, SECOND, THIRD), **changes: Any
) -> Scene:
    world, health = World(ScriptedBackend(*script)), ListHealth()
    requests = [request_by(uuid, **changes) for uuid in uuids]
    plan = FallbackPlan(uuids[0], requests[1:], conditions, health)
    return Scene(world, Call(world.services, requests[0], CallContext(), fallback=plan), health)


def asked(scene: Scene) -> list[tuple[UUID | None, Status]]:
    return [(record.target.config_uuid, record.status) for record in scene.world.sink.records]


def run_sync(scene: Scene) -> str:
    return complete(scene.call).text


def run_async(scene: Scene) -> str:
    return asyncio.run(acomplete(scene.call)).text


@pytest.mark.parametrize("run", [run_sync, run_async])
def test_failed_configuration_is_followed_by_the_next_one(run: Any) -> None:
    scene = make_scene(DOWN, provider_error("RateLimitError", 429), ANSWER)

    assert run(scene) == "fine"

    assert asked(scene) == [(FIRST, Status.FAILED), (SECOND, Status.FAILED), (THIRD, Status.SUCCEEDED)]
    assert scene.health.down == [(FIRST, "upstream_error"), (SECOND, "rate_limit")]
    assert scene.health.up == [THIRD]


def test_rows_name_requested_and_actual_configuration() -> None:
    scene = make_scene(DOWN, ANSWER)

    complete(scene.call)

    first, second = (dict(record.notes) for record in scene.world.sink.records)
    call_id = str(scene.world.sink.records[0].call_id)
    assert first == {
        "fallback_call_id": call_id,
        "requested_config_uuid": str(FIRST),
        "actual_config_uuid": str(FIRST),
        "fallback_attempt": 1,
        "fallback_model_attempt": 1,
        "fallback_reason": None,
        "actual_model": "openai/model-1",
        "fallback_failure_reason": "upstream_error",
    }
    assert second == {
        "fallback_call_id": call_id,
        "requested_config_uuid": str(FIRST),
        "actual_config_uuid": str(SECOND),
        "fallback_attempt": 2,
        "fallback_model_attempt": 1,
        "fallback_reason": "upstream_error",
        "actual_model": "openai/model-2",
    }


def test_it_is_one_call_of_the_requested_model_with_retried_attempts() -> None:
    scene = make_scene(DOWN, ANSWER)

    complete(scene.call)

    [call] = scene.world.observer.calls
    assert (call.status, len(call.attempts)) == (Status.SUCCEEDED, 2)
    assert call.request.target.config_uuid == FIRST
    assert [will_retry for _record, will_retry in scene.world.observer.attempts] == [True, False]


def test_each_configuration_has_its_retries_before_the_next_one() -> None:
    scene = make_scene(DOWN, DOWN, DOWN, ANSWER, max_retries=1)

    complete(scene.call)

    assert [uuid for uuid, _status in asked(scene)] == [FIRST, FIRST, SECOND, SECOND]
    attempts = [record.notes["fallback_model_attempt"] for record in scene.world.sink.records]
    assert attempts == [1, 2, 1, 2]


def test_empty_account_is_left_without_a_retry() -> None:
    broke = provider_error("RateLimitError", 429)
    broke.code = "insufficient_quota"  # type: ignore[attr-defined]
    scene = make_scene(broke, ANSWER, max_retries=3)

    complete(scene.call)

    assert asked(scene) == [(FIRST, Status.FAILED), (SECOND, Status.SUCCEEDED)]


@pytest.mark.parametrize(
    ("error", "conditions"),
    [
        (provider_error("AuthenticationError", 401), ALL),
        (provider_error("ContentPolicyViolationError", 400), ALL),
        (provider_error("BadRequestError", 400), ALL),
        (DOWN, ("timeout",)),
    ],
    ids=["key", "content", "request", "condition not named"],
)
def test_other_failures_end_the_call(error: Exception, conditions: Sequence[str]) -> None:
    scene = make_scene(error, conditions=conditions)

    with pytest.raises(type(error)) as raised:
        complete(scene.call)

    assert raised.value is error
    assert asked(scene) == [(FIRST, Status.FAILED)]
    assert scene.health.down == []


def test_last_failure_is_the_callers_when_every_configuration_fails() -> None:
    errors = [provider_error("ServiceUnavailableError", 503) for _ in range(3)]
    scene = make_scene(*errors)

    with pytest.raises(Exception) as raised:  # noqa: PT011 - the same object
        complete(scene.call)

    assert raised.value is errors[2]
    assert [uuid for uuid, _condition in scene.health.down] == [FIRST, SECOND, THIRD]
    [call] = scene.world.observer.calls
    assert call.status is Status.FAILED


def test_empty_answer_is_a_condition() -> None:
    scene = make_scene(make_response(""), ANSWER)

    assert complete(scene.call, PLAIN_TEXT).text == "fine"


def test_bad_json_is_asked_for_again_and_is_no_condition() -> None:
    scene = make_scene(make_response("no"), make_response("no"))

    with pytest.raises(ValueError, match="Invalid JSON response after 2 attempts"):
        complete(scene.call, json_object(2))

    assert [uuid for uuid, _status in asked(scene)] == [FIRST, FIRST]


def test_each_configuration_has_its_whole_time() -> None:
    world = World(ScriptedBackend())

    def slow() -> Any:
        world.clock.advance(9.0)
        raise DOWN

    world.backend.script = [slow, ANSWER]
    requests = [request_by(FIRST), request_by(SECOND)]
    plan = FallbackPlan(FIRST, requests[1:], ALL, ListHealth())

    complete(Call(world.services, requests[0], CallContext(), fallback=plan))

    assert [arguments["timeout"] for arguments in world.backend.arguments] == [10.0, 10.0]


def test_stream_goes_on_by_the_next_configuration_before_the_first_text() -> None:
    scene = make_scene(DOWN, [make_chunk("Hi"), make_chunk(finish_reason="stop")])

    deltas = list(CompletionStream(scene.call, lambda answer: answer))

    assert deltas == [("content", "Hi")]
    assert asked(scene) == [(FIRST, Status.FAILED), (SECOND, Status.SUCCEEDED)]


def test_async_stream_goes_on_by_the_next_configuration() -> None:
    scene = make_scene(DOWN, [make_chunk("Hi"), make_chunk(finish_reason="stop")])

    async def read() -> list[Any]:
        return [delta async for delta in AsyncCompletionStream(scene.call, lambda answer: answer)]

    assert asyncio.run(read()) == [("content", "Hi")]
    assert asked(scene) == [(FIRST, Status.FAILED), (SECOND, Status.SUCCEEDED)]


class _SilentUntilCut:
    """A stream that says nothing until its connection is taken away."""

    def __init__(self) -> None:
        self._was_cut = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        assert self._was_cut.wait(30)
        return iter(())

    def cut(self) -> None:
        self._was_cut.set()


def test_stream_that_was_cut_by_its_total_limit_does_not_shorten_the_next_configurations() -> None:
    world = World(ScriptedBackend(_SilentUntilCut(), [make_chunk("Hi"), make_chunk("", finish_reason="stop")]))
    plan = FallbackPlan(FIRST, [request_by(SECOND)], ALL, ListHealth())
    call = Call(world.services, request_by(FIRST, total_timeout_s=0.01), CallContext(), fallback=plan)

    assert list(CompletionStream(call, lambda answer: answer)) == [("content", "Hi")]

    assert [record.status for record in world.sink.records] == [Status.FAILED, Status.SUCCEEDED]


def test_stream_has_the_total_limit_of_the_configuration_that_answers() -> None:
    world = World(ScriptedBackend(DOWN))

    class Slow:
        def __iter__(self) -> Iterator[Any]:
            for text in ("one", "two"):
                world.clock.advance(100)
                yield make_chunk(text)

    world.backend.script.append(Slow)
    limited = request_by(SECOND, total_timeout_s=150.0, timeout_s=180.0)
    plan = FallbackPlan(FIRST, [limited], ALL, ListHealth())
    stream = CompletionStream(
        Call(world.services, request_by(FIRST), CallContext(), fallback=plan), lambda answer: answer
    )

    assert next(stream) == ("content", "one")
    with pytest.raises(TimeoutError, match="150 s"):
        list(stream)

    assert world.backend.arguments[1]["timeout"] == 150.0


def test_stream_says_nothing_again_after_its_first_text() -> None:
    scene = make_scene([make_chunk("Hi"), DOWN], [make_chunk("never")])
    stream = CompletionStream(scene.call, lambda answer: answer)

    assert next(stream) == ("content", "Hi")
    with pytest.raises(type(DOWN)):
        next(stream)

    assert asked(scene) == [(FIRST, Status.FAILED)]
    assert len(scene.world.backend.arguments) == 1


def test_health_that_fails_costs_the_call_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from agentcore_metering.core import containment

    scene = make_scene(DOWN, ANSWER)

    def broken(*_arguments: Any) -> None:
        raise RuntimeError("no cache")

    monkeypatch.setattr(scene.health, "failed", broken)
    monkeypatch.setattr(scene.health, "succeeded", broken)

    assert complete(scene.call).text == "fine"
    assert containment.contained_counts() == {"fallback": 2}


def test_bounded_request_has_the_shorter_time_the_retries_and_all_secrets() -> None:
    request = bounded(request_by(FIRST, secrets=("one",)), 5.0, 1, ("two",))

    assert (request.timeout_s, request.arguments["timeout"], request.max_retries) == (5.0, 5.0, 1)
    assert request.secrets == ("one", "two")
    assert bounded(request_by(FIRST), 50.0, 0).timeout_s == 10.0
