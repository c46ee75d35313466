"""On an event loop: the same records as in a thread, and cancellation ends the call."""

from __future__ import annotations

import asyncio
import gc
import threading
import types
from collections.abc import Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from agentcore_metering.core import dropped
from agentcore_metering.core.completion import acomplete, json_object
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.stream_run import StreamAnswer
from agentcore_metering.core.streaming import AsyncCompletionStream
from agentcore_metering.core.types import AttemptRecord, CallContext, Status, UsageSource
from tests.core.test_streaming import CHUNKS
from tests.fakes import ScriptedBackend, World, make_chunk, make_request, make_response, provider_error


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """In a thread of its own, so that the main thread keeps its event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def make_call(world: World, **request: Any) -> Call:
    return Call(world.services, make_request(**request), CallContext())


def make_stream(world: World) -> AsyncCompletionStream[StreamAnswer]:
    return AsyncCompletionStream(make_call(world), lambda answer: answer)


def statuses(world: World) -> list[tuple[int, Status]]:
    return [(record.attempt, record.status) for record in world.sink.records]


def test_acomplete_gives_the_answer_and_settles() -> None:
    world = World(ScriptedBackend(make_response("hello")))

    answer = run(acomplete(make_call(world)))

    assert answer.text == "hello"
    assert statuses(world) == [(1, Status.SUCCEEDED)]
    assert world.sink.settled == 1


def test_acomplete_retries_without_blocking_the_loop() -> None:
    world = World(ScriptedBackend(provider_error("InternalServerError", 500), make_response()))

    run(acomplete(make_call(world)))

    assert statuses(world) == [(1, Status.FAILED), (2, Status.SUCCEEDED)]


def test_acomplete_asks_again_for_json() -> None:
    world = World(ScriptedBackend(make_response("no"), make_response('{"a": 1}')))

    assert run(acomplete(make_call(world), json_object(2))).text == '{"a": 1}'


def test_acomplete_permanent_failure_raises_the_same_object() -> None:
    error = provider_error("AuthenticationError", 401)
    world = World(ScriptedBackend(error))

    with pytest.raises(type(error)) as caught:
        run(acomplete(make_call(world)))

    assert caught.value is error
    assert world.observer.calls[0].status is Status.FAILED


def test_acomplete_cancelled_task_is_a_cancelled_call() -> None:
    world = World(ScriptedBackend())

    class Hanging(ScriptedBackend):
        async def acall(self, function: str, arguments: Any) -> Any:
            await asyncio.Event().wait()

    world.backend = Hanging()

    async def case() -> None:
        task = asyncio.ensure_future(acomplete(make_call(world)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(case())

    assert statuses(world) == [(1, Status.CANCELLED)]
    assert world.sink.records[0].cost is None
    assert world.observer.calls[0].status is Status.CANCELLED


@pytest.mark.parametrize("stage", ["settle", "asleep"])
def test_acomplete_cancelled_while_it_waits_for_a_retry_is_a_cancelled_call(stage: str) -> None:
    world = World(ScriptedBackend(provider_error("RateLimitError", 429)))

    async def hang(*_arguments: Any) -> None:
        await asyncio.Event().wait()

    setattr(world.sink if stage == "settle" else world.clock, stage, hang)

    async def case() -> None:
        task = asyncio.ensure_future(acomplete(make_call(world)))
        while not world.sink.records:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(case())

    assert statuses(world) == [(1, Status.FAILED)]
    assert [call.status for call in world.observer.calls] == [Status.CANCELLED]


def test_acomplete_dropped_while_it_waits_for_a_retry_is_a_cancelled_call() -> None:
    world = World(ScriptedBackend(lambda: provider_error("RateLimitError", 429)))

    @types.coroutine
    def hang(_delay_s: float) -> Generator[None, None, None]:
        yield

    world.clock.asleep = hang  # type: ignore[method-assign,assignment]

    async def begin() -> Coroutine[Any, Any, Any]:
        coroutine = acomplete(make_call(world))
        while not world.sink.records:
            coroutine.send(None)
        return coroutine

    run(begin()).close()

    assert dropped.wait(5)
    assert [call.status for call in world.observer.calls] == [Status.CANCELLED]


def test_stream_that_an_exception_is_thrown_into_raises_it_and_is_cancelled() -> None:
    world = World(ScriptedBackend(CHUNKS))
    stream = make_stream(world)

    async def case() -> None:
        await anext(stream)
        await stream.athrow(LookupError, "why")

    with pytest.raises(LookupError, match="why"):
        run(case())

    assert statuses(world) == [(1, Status.CANCELLED)]


def test_gathered_calls_keep_their_own_records() -> None:
    worlds = [World(ScriptedBackend(make_response(str(number)))) for number in range(20)]

    async def case() -> list[Any]:
        return await asyncio.gather(*(acomplete(make_call(world)) for world in worlds))

    answers = run(case())

    assert [answer.text for answer in answers] == [str(number) for number in range(20)]
    assert all(len(world.sink.records) == 1 for world in worlds)


def test_stream_gives_deltas_and_its_result_at_the_end() -> None:
    world = World(ScriptedBackend(CHUNKS))
    stream = make_stream(world)

    async def case() -> list[Any]:
        return [delta async for delta in stream]

    assert run(case()) == [("content", "Hel"), ("content", "lo "), ("content", "  you")]
    assert stream.result is not None
    assert stream.result.finish_reason == "stop"
    assert statuses(world) == [(1, Status.SUCCEEDED)]


def test_stream_is_retried_before_the_first_delta_only() -> None:
    world = World(
        ScriptedBackend(
            [provider_error("APIConnectionError")], [make_chunk("one two"), provider_error("APIConnectionError")]
        )
    )

    async def case() -> None:
        async for _ in make_stream(world):
            pass

    with pytest.raises(Exception, match="no"):
        run(case())

    assert statuses(world) == [(1, Status.FAILED), (2, Status.FAILED)]
    assert world.sink.records[1].facts.usage.output_tokens == 2


def test_stream_left_by_its_consumer_is_cancelled() -> None:
    world = World(ScriptedBackend(CHUNKS))

    async def case() -> None:
        stream = make_stream(world)
        await anext(stream)
        await stream.aclose()

    run(case())

    assert statuses(world) == [(1, Status.CANCELLED)]
    assert world.sink.records[0].facts.usage.source is UsageSource.ESTIMATED


def test_stream_of_a_cancelled_task_is_cancelled() -> None:
    world = World(ScriptedBackend(CHUNKS))

    async def case() -> None:
        async def consume() -> None:
            async for _ in make_stream(world):
                await asyncio.Event().wait()

        task = asyncio.ensure_future(consume())
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(case())
    gc.collect()
    dropped.wait(10)

    assert statuses(world) == [(1, Status.CANCELLED)]


def test_stream_never_started_is_one_cancelled_record() -> None:
    world = World(ScriptedBackend(CHUNKS))

    stream = make_stream(world)
    del stream
    gc.collect()
    dropped.wait(10)

    assert statuses(world) == [(1, Status.CANCELLED)]
    assert world.backend.arguments == []


def test_stream_context_is_the_observers_only_while_the_provider_is_read() -> None:
    world = World(ScriptedBackend(CHUNKS))

    async def case() -> None:
        async for _ in make_stream(world):
            assert not world.observer.is_active

    run(case())


@pytest.mark.parametrize("kind", ["whole", "stream"])
def test_a_destroyed_coroutine_is_ended_by_another_thread_as_cancelled(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The garbage collector destroys it wherever it runs: in the middle of a lock, or of a context variable's change."""
    world = World(ScriptedBackend(make_response()))
    take, threads = world.sink.attempt_ended, list[str]()

    def noting(record: AttemptRecord) -> None:
        threads.append(threading.current_thread().name)
        take(record)

    monkeypatch.setattr(world.sink, "attempt_ended", noting)

    async def destroy() -> None:
        coroutine = acomplete(make_call(world)) if kind == "whole" else make_stream(world).asend(None)
        coroutine.send(None)
        coroutine.close()

    run(destroy())

    assert dropped.wait(5)
    assert threads == ["agentcore-metering-dropped"]
    assert statuses(world) == [(1, Status.CANCELLED)]
    assert [record.status for record in world.observer.calls] == [Status.CANCELLED]
