"""Whole answers: one record per attempt, one end per call, the provider's exception unchanged."""

from __future__ import annotations

import traceback
from decimal import Decimal
from typing import Any

import pytest

from agentcore_metering.core.completion import PLAIN_TEXT, AnswerRule, complete, json_object
from agentcore_metering.core.containment import contained_counts
from agentcore_metering.core.errors import EmptyResponse, InvalidJSON
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.types import (
    AttemptRecord,
    CallContext,
    CostSource,
    CostStatus,
    Price,
    Status,
    TokenClass,
    UsageSource,
)
from tests.fakes import (
    FakeClock,
    ScriptedBackend,
    World,
    make_request,
    make_response,
    make_usage_payload,
    provider_error,
)

KEY = "0123456789abcdef0123456789abcdef"
PRICE = Price(
    "USD", {TokenClass.INPUT: Decimal("1e-6"), TokenClass.OUTPUT: Decimal("2e-6")}, CostSource.OPERATOR, "test"
)


def make_world(*script: Any) -> World:
    world = World(ScriptedBackend(*script))
    world.prices.price = PRICE
    return world


def make_call(world: World, **request: Any) -> Call:
    return Call(world.services, make_request(**request), CallContext(node_name="writer"))


def outcomes(world: World) -> list[tuple[int, Status]]:
    return [(record.attempt, record.status) for record in world.sink.records]


def test_complete_success_gives_one_record_and_one_end() -> None:
    world = make_world(make_response("hello", usage=make_usage_payload(10, 5)))

    answer = complete(make_call(world))

    [record] = world.sink.records
    [call] = world.observer.calls
    assert answer.text == "hello"
    assert answer.record is record
    assert record.cost is not None
    assert record.cost.amount == Decimal("0.00002")  # 10*1e-6 + 5*2e-6
    assert record.facts.usage.source is UsageSource.PROVIDER
    assert record.facts.response_model == "gpt-4o-mini-2024-07-18"
    assert (call.status, call.attempts) == (Status.SUCCEEDED, (record,))
    assert record.call_id == record.id == call.call_id


def test_complete_sends_the_configured_timeout_first_and_what_is_left_later() -> None:
    world = make_world(provider_error("RateLimitError", 429, headers={"retry-after": "30"}), make_response())

    complete(make_call(world, timeout_s=180))

    first, second = (arguments["timeout"] for arguments in world.backend.arguments)
    assert first == 180
    assert 149 < second <= 150


def test_complete_runs_the_provider_inside_the_observers_context() -> None:
    world = make_world()
    world.backend.script = [lambda: make_response(str(world.observer.is_active))]

    assert complete(make_call(world)).text == "True"
    assert not world.observer.is_active


def test_complete_retries_a_transient_failure_as_another_attempt_of_the_call() -> None:
    world = make_world(provider_error("InternalServerError", 500), make_response())

    complete(make_call(world))

    first, second = world.sink.records
    assert outcomes(world) == [(1, Status.FAILED), (2, Status.SUCCEEDED)]
    assert first.call_id == second.call_id == first.id
    assert second.id != first.id
    assert [will_retry for _, will_retry in world.observer.attempts] == [True, False]
    assert len(world.observer.calls) == 1
    assert 0.5 <= world.clock.slept_s[0] <= 0.75


def test_complete_permanent_failure_raises_the_same_object_once() -> None:
    error = provider_error("AuthenticationError", 401)
    world = make_world(error)

    with pytest.raises(type(error)) as caught:
        complete(make_call(world))

    assert caught.value is error
    [record] = world.sink.records
    assert record.error_type == "AuthenticationError"
    assert (record.cost, record.cost_status) == (None, CostStatus.NO_USAGE)
    assert world.observer.calls[0].status is Status.FAILED


def test_complete_retries_end_when_they_are_used_up() -> None:
    errors = [provider_error("RateLimitError", 429) for _ in range(3)]
    world = make_world(*errors)

    with pytest.raises(type(errors[2])):
        complete(make_call(world, max_retries=2))

    assert outcomes(world) == [(1, Status.FAILED), (2, Status.FAILED), (3, Status.FAILED)]


def test_complete_a_key_in_the_error_is_in_no_record_and_no_traceback() -> None:
    error = provider_error("AuthenticationError", 401, message=f"Incorrect key {KEY}")
    world = make_world(error)

    with pytest.raises(type(error)) as caught:
        complete(make_call(world, arguments={"model": "m", "messages": ["hi"], "api_key": KEY}, secrets=(KEY,)))

    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert KEY not in "".join(shown)
    assert KEY not in repr(world.sink.records) + repr(world.observer.calls)


def test_complete_empty_answer_is_a_failed_attempt_that_keeps_its_cost() -> None:
    world = make_world(make_response("  ", usage=make_usage_payload(10, 5)))

    with pytest.raises(EmptyResponse, match=r"\[writer\] LLM returned empty response \(finish_reason=stop"):
        complete(make_call(world))

    [record] = world.sink.records
    assert record.status is Status.FAILED
    assert record.error_type == "empty_response"
    assert record.cost is not None
    assert record.notes["empty_response_diagnostics"]["content_repr"] == "'  '"


@pytest.mark.parametrize("response", [None, make_response(None)])
def test_complete_without_an_answer_is_an_empty_response(response: Any) -> None:
    world = make_world(response)

    with pytest.raises(EmptyResponse):
        complete(make_call(world))

    assert len(world.sink.records) == 1


def test_complete_blank_text_beside_a_tool_call_is_an_answer() -> None:
    call = {"id": "c1", "function": {"name": "weather", "arguments": '{"city":"Berlin"}'}}
    world = make_world(make_response(None, tool_calls=[call]))

    answer = complete(make_call(world))

    assert answer.text == ""
    assert answer.reply.tool_calls[0]["function"] == {"name": "weather", "arguments": '{"city":"Berlin"}'}


def test_complete_json_asks_again_within_one_call() -> None:
    world = make_world(make_response(":"), make_response('```json\n{"a": 1,}\n```'))

    answer = complete(make_call(world), json_object(3))

    assert answer.text == '{"a": 1}'
    assert outcomes(world) == [(1, Status.FAILED), (2, Status.SUCCEEDED)]
    assert world.sink.records[0].error_type == "invalid_json"
    assert world.sink.records[0].cost is not None
    assert world.clock.slept_s == [0.5]
    assert len(world.observer.calls) == 1


def test_complete_json_never_valid_names_the_attempts() -> None:
    world = make_world(make_response(":"), make_response(":"), make_response(""))

    with pytest.raises(EmptyResponse, match=r"Invalid JSON response after 3 attempts"):
        complete(make_call(world), json_object(3))

    assert world.clock.slept_s == [0.5, 1.0]


def test_complete_json_zero_attempts_means_one() -> None:
    with pytest.raises(InvalidJSON):
        complete(make_call(make_world(make_response("no"))), json_object(0))


def test_complete_json_left_in_the_reasoning_is_found_there() -> None:
    world = make_world(make_response("", reasoning_content='thinking {"a": 1}'))

    answer = complete(make_call(world), json_object(1))

    assert answer.text == '{"a": 1}'
    assert world.sink.records[0].notes == {"recovered_from_reasoning_content": True}


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), SystemExit(1)])
def test_complete_interrupted_is_cancelled_with_unknown_cost(interrupt: BaseException) -> None:
    world = make_world(interrupt)

    with pytest.raises(type(interrupt)):
        complete(make_call(world))

    [record] = world.sink.records
    assert (record.status, record.cost) == (Status.CANCELLED, None)
    assert world.observer.calls[0].status is Status.CANCELLED


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), TimeoutError("the task's own time is over")])
def test_complete_interrupted_while_it_waits_for_a_retry_is_a_cancelled_call(interrupt: BaseException) -> None:
    world = make_world(provider_error("RateLimitError", 429))
    world.clock = _InterruptedClock(interrupt)

    with pytest.raises(type(interrupt)):
        complete(make_call(world))

    assert outcomes(world) == [(1, Status.FAILED)]
    assert [call.status for call in world.observer.calls] == [Status.CANCELLED]


class _InterruptedClock(FakeClock):
    """Somebody does not let it sleep."""

    def __init__(self, interrupt: BaseException) -> None:
        super().__init__()
        self._interrupt = interrupt

    def sleep(self, delay_s: float) -> None:
        raise self._interrupt


class _Broken:
    """Fails at everything it is asked."""

    def __getattr__(self, name: str) -> Any:
        message = f"{name} is broken"
        raise RuntimeError(message)


def test_complete_goes_on_when_all_of_metering_fails(caplog: pytest.LogCaptureFixture) -> None:
    world = make_world(make_response("hello"))
    broken: Any = _Broken()
    world.sink, world.observer, world.prices = broken, broken, broken

    answer = complete(make_call(world), PLAIN_TEXT)

    assert answer.text == "hello"
    assert answer.record.cost is None
    assert answer.record.cost_status is CostStatus.UNPRICED
    assert set(contained_counts()) == {"telemetry", "persistence", "pricing"}
    assert "the call was not affected" in caplog.text


def test_complete_tells_the_listener_every_attempt() -> None:
    world = make_world(provider_error("InternalServerError", 500), make_response())
    seen: list[AttemptRecord] = []

    complete(Call(world.services, make_request(), CallContext(), seen.append), AnswerRule(PLAIN_TEXT.extract))

    assert seen == world.sink.records


def test_record_times_come_from_the_start_and_the_monotonic_clock() -> None:
    world = make_world()

    def answer_late() -> Any:
        world.clock.advance(2.5)
        return make_response()

    world.backend.script = [answer_late]

    record = complete(make_call(world)).record

    assert record.duration_s == 2.5
    assert (record.ended_at - record.started_at).total_seconds() == 2.5
