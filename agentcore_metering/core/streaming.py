"""Owns the streams that consumers read, in a thread and on an event loop: when the provider is waited for, and what a consumer may do.

What both share is `stream_run`'s. Written as objects with a state rather than as generator functions: a generator's own destructor would
end the call inside the garbage collector, and sync and async could not share a line.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar

from agentcore_metering.core import dropped
from agentcore_metering.core.chunks import Delta
from agentcore_metering.core.containment import contained
from agentcore_metering.core.deadline import deadline
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.stream_run import StreamAnswer, StreamRun, Translate

__all__ = ["AsyncCompletionStream", "CompletionStream"]

ResultT = TypeVar("ResultT")


class CompletionStream(Generator[Delta, None, ResultT], Generic[ResultT]):
    """A generator of deltas; its return value is `finish(answer)`.

    The call has begun when this is made: its span has the caller's context even if it is consumed elsewhere. The provider is called at
    the first `next()`. Closed or dropped before the end, it is recorded as cancelled. Retries happen only before the first delta:
    nothing that the consumer has seen is ever said again. `translate` may put another exception in the place of the one that ends the
    call, which becomes its cause.
    """

    def __init__(
        self, call: Call, finish: Callable[[StreamAnswer], ResultT], translate: Translate | None = None
    ) -> None:
        self._run = StreamRun(call)
        self._finish = finish
        self._translate = translate
        dropped.prepare()

    def send(self, value: None) -> Delta:
        """The next delta."""
        run = self._run
        while not run.is_over:
            if run.waiting:
                return run.next_delta()
            try:
                run.time.check()
                chunk = run.inside(self._read)
            except BaseException as caught:
                exc = run.time.as_told(caught)
                delay_s = run.recover(exc)
                if delay_s is None:
                    run.raise_translated(exc, self._translate)
                    if exc is caught:
                        raise
                    raise exc from None
                run.call.services.clock.sleep(delay_s)
                continue
            if chunk is None:
                raise StopIteration(self._finish(run.succeed()))
            run.take(chunk)
        raise StopIteration

    def throw(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Delta:
        """End the stream as the consumer's doing and raise the exception, as an unfinished generator would."""
        self.close()
        raise _thrown(typ, val)

    def close(self) -> None:
        """Stop here. A stream that was never started is recorded too: the caller had asked for it."""
        self._run.abandon()

    def __del__(self) -> None:
        run = getattr(self, "_run", None)
        if run is not None and not run.is_over:
            dropped.end_later(run.abandon)

    def _read(self) -> Any:
        """The next chunk, or None at the end. Only in here is the call's context current."""
        run = self._run
        if run.chunks is None:
            run.begin()
            run.time.watch(run.cut)
            run.upstream = run.call.services.backend.call(run.call.request.function, run.arguments())
            # Had the time been over before there was a connection, nobody would take it away any more.
            run.time.check()
            run.chunks = iter(run.upstream)
        chunk = next(run.chunks, None)
        if chunk is None:
            run.time.check_cut()
        return chunk


class AsyncCompletionStream(AsyncGenerator[Delta, None], Generic[ResultT]):
    """The same for an event loop: an async generator of deltas; what it gave is `result` once it has been read to its end.

    A cancelled task, like a consumer that leaves, ends it as cancelled.
    """

    def __init__(
        self, call: Call, finish: Callable[[StreamAnswer], ResultT], translate: Translate | None = None
    ) -> None:
        self._run = StreamRun(call, is_async=True)
        self._finish = finish
        self._translate = translate
        self.result: ResultT | None = None
        """`finish(answer)` after the last delta; None until then, and for good when the stream does not come to its end."""
        dropped.prepare()

    async def asend(self, value: None) -> Delta:
        """The next delta."""
        run = self._run
        while not run.is_over:
            if run.waiting:
                return run.next_delta()
            try:
                run.time.check()
                chunk = await self._read()
            except GeneratorExit:
                # The coroutine is being destroyed: nothing can be awaited, and the collector is no place to do this in.
                dropped.end_later(run.abandon)
                raise
            except BaseException as exc:
                upstream = run.upstream
                delay_s = run.recover(exc)
                await self._let_go(upstream)
                if delay_s is None:
                    run.raise_translated(exc, self._translate)
                    raise
                await run.call.services.clock.asleep(delay_s)
                continue
            if chunk is None:
                self.result = self._finish(run.succeed())
                await self._settle()
                raise StopAsyncIteration
            run.take(chunk)
        raise StopAsyncIteration

    async def athrow(self, typ: Any, val: Any = None, tb: TracebackType | None = None) -> Delta:
        """End the stream as the consumer's doing and raise the exception, as an unfinished async generator would."""
        await self.aclose()
        raise _thrown(typ, val)

    async def aclose(self) -> None:
        """Stop here; see `CompletionStream.close`."""
        upstream = self._run.upstream
        self._run.abandon()
        await self._let_go(upstream)

    def __del__(self) -> None:
        run = getattr(self, "_run", None)
        if run is not None and not run.is_over:
            dropped.end_later(run.abandon)

    async def _read(self) -> Any:
        run = self._run
        with run.call.activate():
            if run.chunks is None:
                run.begin()
                async with deadline(*run.patience()):
                    run.upstream = await run.call.services.backend.acall(run.call.request.function, run.arguments())
                run.chunks = aiter(run.upstream)
            async with deadline(*run.patience()):
                return await anext(run.chunks, None)

    async def _let_go(self, upstream: Any) -> None:
        if upstream is not None:
            with contained("stream"):
                await self._run.call.services.backend.aclose(upstream)
        await self._settle()

    async def _settle(self) -> None:
        await self._run.call.settle()


def _thrown(typ: Any, val: Any) -> BaseException:
    """What a consumer throws, said as generators take it: an exception, or its class and what it is made with."""
    if isinstance(typ, BaseException):
        return typ
    if isinstance(val, BaseException):
        return val
    made: BaseException = typ() if val is None else typ(val)
    return made
