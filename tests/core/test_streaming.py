"""Streams: text byte for byte, one record whatever the consumer does, nothing replayed after output."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from agentcore_metering.core import dropped
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.nesting import is_metered
from agentcore_metering.core.stream_run import StreamAnswer
from agentcore_metering.core.streaming import CompletionStream
from agentcore_metering.core.types import CallContext, Status, UsageSource
from tests.fakes import ScriptedBackend, World, make_chunk, make_request, make_usage_payload, provider_error

CHUNKS = [
    make_chunk("Hel"),
    make_chunk("lo "),
    make_chunk("  you"),
    make_chunk(finish_reason="stop", usage=make_usage_payload(10, 5)),
]


def make_stream(world: World, **request: Any) -> CompletionStream[StreamAnswer]:
    return CompletionStream(Call(world.services, make_request(**request), CallContext()), lambda answer: answer)


def drain(stream: CompletionStream[StreamAnswer]) -> tuple[list[tuple[str, str]], StreamAnswer]:
    deltas = []
    while True:
        try:
            deltas.append(next(stream))
        except StopIteration as end:
            return deltas, end.value


def test_stream_gives_text_unchanged_and_its_answer_at_the_end() -> None:
    world = World(ScriptedBackend(CHUNKS))

    deltas, answer = drain(make_stream(world))

    assert deltas == [("content", "Hel"), ("content", "lo "), ("content", "  you")]
    assert answer.finish_reason == "stop"
    [record] = world.sink.records
    assert (record.status, record.facts.usage.input_tokens, record.facts.usage.output_tokens) == (
        Status.SUCCEEDED,
        10,
        5,
    )
    assert world.observer.calls[0].attempts == (record,)


def test_stream_call_begins_at_once_and_the_provider_is_called_at_the_first_next() -> None:
    world = World(ScriptedBackend(CHUNKS))

    stream = make_stream(world)

    assert len(world.observer.started) == 1
    assert world.backend.arguments == []
    next(stream)
    assert len(world.backend.arguments) == 1
    stream.close()


def test_stream_yields_reasoning_before_content_of_the_same_chunk() -> None:
    world = World(ScriptedBackend([make_chunk("yes", reasoning_content="hm")]))

    deltas, _ = drain(make_stream(world))

    assert deltas == [("reasoning", "hm"), ("content", "yes")]


def test_stream_usage_is_taken_from_whichever_chunk_has_it() -> None:
    world = World(
        ScriptedBackend(
            [make_chunk("a", usage=make_usage_payload(10, 5)), make_chunk("b"), make_chunk(finish_reason="stop")]
        )
    )

    drain(make_stream(world))

    assert world.sink.records[0].facts.usage.total_tokens == 15


def test_stream_without_usage_is_estimated_and_marked() -> None:
    world = World(ScriptedBackend([make_chunk("one two "), make_chunk("three")]))

    drain(make_stream(world))

    usage = world.sink.records[0].facts.usage
    # "say hello please" in, "one two three" out, one token a word
    assert (usage.input_tokens, usage.output_tokens, usage.source) == (3, 3, UsageSource.ESTIMATED)


def test_stream_tool_calls_are_put_together() -> None:
    deltas = [
        {"index": 0, "id": "c1", "function": {"name": "weather", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"city":'}},
        {"index": 1, "id": "c2", "function": {"name": "time", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": '"Berlin"}'}},
    ]
    world = World(ScriptedBackend([make_chunk(tool_calls=[delta]) for delta in deltas]))

    _, answer = drain(make_stream(world))

    assert [call["function"] for call in answer.tool_calls] == [
        {"name": "weather", "arguments": '{"city":"Berlin"}'},
        {"name": "time", "arguments": "{}"},
    ]
    assert [call["id"] for call in answer.tool_calls] == ["c1", "c2"]


def test_stream_closed_by_the_consumer_is_cancelled_with_estimated_usage() -> None:
    world = World(ScriptedBackend(CHUNKS))
    stream = make_stream(world)
    next(stream)

    stream.close()

    [record] = world.sink.records
    assert record.status is Status.CANCELLED
    assert record.facts.usage.source is UsageSource.ESTIMATED
    assert world.observer.calls[0].status is Status.CANCELLED


@pytest.mark.parametrize(
    "thrown",
    [(LookupError("why"),), (LookupError, "why"), (LookupError, LookupError("why"))],
    ids=["exception", "class-and-reason", "class-and-exception"],
)
def test_stream_that_an_exception_is_thrown_into_raises_it_and_is_cancelled(thrown: tuple[Any, ...]) -> None:
    world = World(ScriptedBackend(CHUNKS))
    stream = make_stream(world)
    next(stream)

    with pytest.raises(LookupError, match="why"):
        stream.throw(*thrown)

    assert [record.status for record in world.sink.records] == [Status.CANCELLED]
    assert list(stream) == []


def test_stream_dropped_by_the_consumer_is_cancelled() -> None:
    world = World(ScriptedBackend(CHUNKS))
    stream = make_stream(world)
    next(stream)

    del stream
    gc.collect()
    dropped.wait(10)

    assert [record.status for record in world.sink.records] == [Status.CANCELLED]


@pytest.mark.parametrize("how", ["close", "drop"])
def test_stream_never_started_is_one_cancelled_record_and_no_request(how: str) -> None:
    world = World(ScriptedBackend(CHUNKS))
    stream = make_stream(world)

    if how == "close":
        stream.close()
    del stream
    gc.collect()
    dropped.wait(10)

    [record] = world.sink.records
    assert (record.status, record.facts.usage.source) == (Status.CANCELLED, UsageSource.NONE)
    assert world.backend.arguments == []
    assert len(world.observer.calls) == 1


def test_stream_broken_after_output_fails_and_keeps_what_it_had() -> None:
    error = provider_error("APIConnectionError")
    world = World(ScriptedBackend([make_chunk("one two"), error]))
    stream = make_stream(world)
    next(stream)

    with pytest.raises(type(error)) as caught:
        next(stream)

    assert caught.value is error
    [record] = world.sink.records
    assert record.status is Status.FAILED
    assert record.facts.usage.output_tokens == 2
    assert record.first_chunk_at is not None
    assert len(world.backend.arguments) == 1


def test_stream_broken_before_output_is_asked_for_again() -> None:
    world = World(ScriptedBackend([provider_error("APIConnectionError")], CHUNKS))

    deltas, _ = drain(make_stream(world))

    assert len(deltas) == 3
    assert [(record.attempt, record.status) for record in world.sink.records] == [
        (1, Status.FAILED),
        (2, Status.SUCCEEDED),
    ]
    assert len(world.observer.calls) == 1


def test_stream_is_inside_the_observers_context_only_while_the_provider_is_read() -> None:
    world = World(ScriptedBackend())
    inside: list[bool] = []

    def provider() -> Any:
        for chunk in CHUNKS:
            inside.append(world.observer.is_active)
            yield chunk

    world.backend.script = [provider]
    for _ in make_stream(world):
        assert not world.observer.is_active

    assert inside == [True] * len(CHUNKS)


def test_stream_that_is_closed_while_another_thread_reads_it_ends_all_the_same() -> None:
    world = World(ScriptedBackend())
    is_reading, may_go_on = threading.Event(), threading.Event()

    def provider() -> Any:
        yield CHUNKS[0]
        is_reading.set()
        may_go_on.wait(10)
        yield CHUNKS[1]

    world.backend.script = [provider]
    stream = make_stream(world)
    next(stream)
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    assert is_reading.wait(10)

    stream.close()
    may_go_on.set()
    reader.join(10)

    assert [record.status for record in world.sink.records] == [Status.CANCELLED]
    assert not is_metered()


def test_stream_times_of_first_and_later_chunks() -> None:
    world = World(ScriptedBackend())

    class Paced:
        def __iter__(self) -> Any:
            for chunk in CHUNKS:
                world.clock.advance(0.5)
                yield chunk

    world.backend.script = [Paced]
    stream = make_stream(world)
    world.clock.advance(100)  # the consumer takes his time before he starts

    drain(stream)

    [record], [call] = world.sink.records, world.observer.calls
    assert record.time_to_first_chunk_s == 0.5
    assert record.duration_s == 2.0
    assert call.duration_s == 102.0
    assert call.time_to_first_chunk_s == 0.5
    assert call.chunk_intervals_s == (0.5, 0.5, 0.5)


def test_stream_translates_its_last_exception() -> None:
    world = World(ScriptedBackend(provider_error("AuthenticationError", 401)))
    call = Call(world.services, make_request(), CallContext())
    stream = CompletionStream(call, lambda answer: answer, lambda exc: RuntimeError("in other words"))

    with pytest.raises(RuntimeError, match="in other words") as caught:
        next(stream)

    assert type(caught.value.__cause__).__name__ == "AuthenticationError"


def test_stream_delegates_like_a_generator() -> None:
    world = World(ScriptedBackend(CHUNKS))

    def outer() -> Any:
        return (yield from make_stream(world))

    generator = outer()
    assert [text for _, text in generator] == ["Hel", "lo ", "  you"]


class _ProviderStream:
    """As LiteLLM's wrapper: an iterator that also keeps the chunks as the provider sent them."""

    def __init__(self, given: list[Any], own: list[Any]) -> None:
        self._given = iter(given)
        self.chunks = own

    def __iter__(self) -> Any:
        return self._given


def test_stream_usage_invented_on_the_way_is_not_the_providers() -> None:
    invented = make_chunk(finish_reason="stop", usage=make_usage_payload(99, 99, cost=1.5))
    world = World(ScriptedBackend(lambda: _ProviderStream([make_chunk("one two"), invented], [make_chunk("one two")])))

    drain(make_stream(world))

    facts = world.sink.records[0].facts
    assert (facts.usage.source, facts.usage.output_tokens, facts.provider_cost) == (UsageSource.ESTIMATED, 2, None)


def test_model_that_the_provider_names_goes_before_the_one_on_the_chunks() -> None:
    class Naming(ScriptedBackend):
        def provider_model(self, stream: Any) -> str | None:
            return "gpt-4o-mini-2026-01-01"

    world = World(Naming(CHUNKS))

    drain(make_stream(world))

    assert world.sink.records[0].facts.response_model == "gpt-4o-mini-2026-01-01"
