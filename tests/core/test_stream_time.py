"""How long a stream may take: until it begins, between two chunks, and in all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from agentcore_metering.core import alarms
from agentcore_metering.core import deadline as deadline_module
from agentcore_metering.core.deadline import deadline
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.streaming import AsyncCompletionStream, CompletionStream
from agentcore_metering.core.types import CallContext, Status
from tests.core.test_async import run
from tests.core.test_streaming import CHUNKS
from tests.fakes import ScriptedBackend, World, make_chunk, make_request, provider_error


def make_call(world: World, **request: Any) -> Call:
    return Call(world.services, make_request(**request), CallContext())


def test_the_client_may_wait_as_long_as_the_provider_may_be_silent() -> None:
    world = World(ScriptedBackend(CHUNKS))

    list(CompletionStream(make_call(world, timeout_s=180, idle_timeout_s=20), lambda answer: answer))

    assert world.backend.arguments[0]["timeout"] == 20


def test_a_flowing_stream_may_take_longer_than_the_call_may_wait_for_it() -> None:
    world = World(ScriptedBackend())

    class Slow:
        def __iter__(self) -> Any:
            for chunk in CHUNKS:
                world.clock.advance(100)
                yield chunk

    world.backend.script = [Slow]

    assert len(list(CompletionStream(make_call(world, timeout_s=180), lambda answer: answer))) == 3


def test_a_total_limit_ends_a_flowing_stream_and_is_not_asked_for_again() -> None:
    world = World(ScriptedBackend())

    class Slow:
        def __iter__(self) -> Any:
            for chunk in CHUNKS:
                world.clock.advance(100)
                yield chunk

    world.backend.script = [Slow]
    stream = CompletionStream(make_call(world, timeout_s=180, total_timeout_s=150), lambda answer: answer)

    with pytest.raises(TimeoutError, match=r"150 s \(stream_total_timeout_seconds\)"):
        list(stream)

    [record] = world.sink.records
    assert (record.status, record.error_type) == (Status.FAILED, "TimeoutError")
    assert len(world.backend.closed) == 1


def test_the_deadline_begins_when_the_stream_is_first_read() -> None:
    world = World(ScriptedBackend(provider_error("APIConnectionError"), CHUNKS))
    stream = CompletionStream(make_call(world, timeout_s=180), lambda answer: answer)
    world.clock.advance(1_000)  # the consumer comes late

    assert len(list(stream)) == 3
    assert world.backend.arguments[1]["timeout"] > 170


def test_a_stream_that_never_began_within_its_total_limit_is_not_asked_for_again() -> None:
    world = World(ScriptedBackend())

    def never_begins() -> Exception:
        world.clock.advance(11)
        return provider_error("APIConnectionError", message="reset by peer")

    world.backend.script = [never_begins, CHUNKS]
    stream = CompletionStream(make_call(world, timeout_s=180, total_timeout_s=10), lambda answer: answer)

    with pytest.raises(Exception, match="reset by peer"):
        list(stream)

    assert len(world.backend.arguments) == 1
    assert world.clock.slept_s == []


def test_the_client_waits_no_longer_than_the_stream_may_take() -> None:
    world = World(ScriptedBackend(CHUNKS))

    list(CompletionStream(make_call(world, timeout_s=180, total_timeout_s=10), lambda answer: answer))

    assert world.backend.arguments[0]["timeout"] == 10


class _KeptAlive:
    """A stream that says `chunks` and then nothing, until its connection is taken away; then it ends by `ending`."""

    def __init__(self, *chunks: Any, ending: Exception | None = None) -> None:
        self._chunks = chunks
        self._ending = ending
        self._was_cut = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        yield from self._chunks
        assert self._was_cut.wait(30)
        if self._ending is not None:
            raise self._ending

    def cut(self) -> None:
        self._was_cut.set()


@pytest.mark.parametrize("ending", [None, ConnectionResetError("by peer")], ids=["ends", "breaks"])
def test_a_thread_that_reads_past_the_total_limit_has_its_connection_taken_away(ending: Exception | None) -> None:
    world = World(ScriptedBackend(_KeptAlive(make_chunk("one"), ending=ending)))
    stream = CompletionStream(make_call(world, timeout_s=9, total_timeout_s=0.01), lambda answer: answer)

    with pytest.raises(TimeoutError, match=r"0.01 s \(stream_total_timeout_seconds\)"):
        list(stream)

    [record] = world.sink.records
    assert (record.status, record.error_type) == (Status.FAILED, "TimeoutError")


def test_a_stream_whose_time_is_over_before_there_is_a_connection_is_not_read() -> None:
    world = World(ScriptedBackend())

    class Unread:
        def __iter__(self) -> Iterator[Any]:
            raise AssertionError("nobody would end this")

    def answered_late() -> Any:
        world.clock.advance(11)
        return Unread()

    world.backend.script = [answered_late]
    stream = CompletionStream(make_call(world, timeout_s=180, total_timeout_s=10), lambda answer: answer)

    with pytest.raises(TimeoutError, match="stream_total_timeout_seconds"):
        list(stream)

    assert len(world.backend.closed) == 1


@pytest.mark.parametrize("end", [list, lambda stream: (next(stream), stream.close())], ids=["read", "closed"])
def test_a_stream_that_has_ended_leaves_no_alarm(end: Callable[[Any], object]) -> None:
    before = set(alarms._keeper.alarms)
    world = World(ScriptedBackend(CHUNKS))
    stream = CompletionStream(make_call(world, total_timeout_s=1_000), lambda answer: answer)
    assert alarms._keeper.alarms == before

    end(stream)

    assert alarms._keeper.alarms == before


class _Silent:
    """A provider that says some chunks and then nothing, whatever timeout it was given."""

    def __init__(self, *chunks: Any) -> None:
        self._chunks = chunks
        self.was_closed = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        for chunk in self._chunks:
            yield chunk
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.was_closed = True


@pytest.mark.parametrize(
    ("chunks", "limits", "reason"),
    [
        # Its idle limit is longer: with both alike it would be chance which one a busy machine meets first.
        ((), {"timeout_s": 0.01, "idle_timeout_s": 9}, "did not begin within 0.01 s"),
        ((), {"timeout_s": 9, "idle_timeout_s": 0.01}, "sent nothing for 0.01 s"),
        ((make_chunk("one"),), {"timeout_s": 0.01}, "sent nothing for 0.01 s"),
        ((make_chunk("one"),), {"timeout_s": 9, "total_timeout_s": 0.01}, "did not end within 0.01 s"),
    ],
    ids=["never-began", "silent-at-once", "silent-later", "total"],
)
def test_on_an_event_loop_a_client_that_keeps_no_timeout_is_cut(
    monkeypatch: pytest.MonkeyPatch, chunks: tuple[Any, ...], limits: dict[str, Any], reason: str
) -> None:
    monkeypatch.setattr(deadline_module, "GRACE_S", 0.0)
    silent = _Silent(*chunks)
    world = World(ScriptedBackend(silent))

    async def case() -> None:
        call = make_call(world, max_retries=0, **limits)
        async for _ in AsyncCompletionStream(call, lambda answer: answer):
            pass

    with pytest.raises(TimeoutError, match=reason):
        run(case())

    assert world.sink.records[0].status is Status.FAILED
    assert silent.was_closed


def test_a_timeout_from_inside_goes_through_as_it_is() -> None:
    mine = TimeoutError("mine")

    async def case() -> None:
        async with deadline(60, "ours"):
            raise mine

    with pytest.raises(TimeoutError) as caught:
        run(case())

    assert caught.value is mine
