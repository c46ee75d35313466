"""A call of LiteLLM's that the host makes itself, recorded as it passes: its answer, its stream and its exception are left as they are.

Nothing is retried, translated or waited for here, and whatever fails in recording stays here. What `completion` and `streaming` do for
the tracker, lifecycle and stream run do for these calls too.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from agentcore_metering.core import dropped
from agentcore_metering.core.containment import contained
from agentcore_metering.core.failures import classify
from agentcore_metering.core.lifecycle import Attempt, Call
from agentcore_metering.core.operations import OPERATIONS, completed_facts
from agentcore_metering.core.stream_layers import keeping_events
from agentcore_metering.core.stream_run import StreamRun
from agentcore_metering.core.types import ResponseFacts, Status

__all__ = ["PART", "DirectCall", "DirectStream"]

PART = "instrumentation"
"""How `contained` names what fails here."""


class DirectCall:
    """One call, about to be made."""

    def __init__(self, call: Call, *, is_async: bool) -> None:
        self._call = call
        dropped.prepare()
        self._record = _Streamed(call, is_async=is_async) if call.request.target.is_streaming else _Whole(call)

    def run(self, bare: Callable[[], Any]) -> Any:
        """What `bare` gives, or raises."""
        try:
            with self._call.activate():
                answer = bare()
        except BaseException as exc:
            with contained(PART):
                self._record.failed(exc)
            raise
        return self._record.answered(answer)

    async def arun(self, bare: Callable[[], Awaitable[Any]]) -> Any:
        """The same on an event loop."""
        try:
            with self._call.activate():
                answer = await bare()
        except GeneratorExit as exc:
            # The coroutine is being destroyed: nothing can be awaited, and the collector is no place to do this in.
            dropped.end_later(partial(self._record.failed, exc))
            raise
        except BaseException as exc:
            with contained(PART):
                self._record.failed(exc)
            await self._call.settle()
            raise
        answer = self._record.answered(answer)
        await self._call.settle()
        return answer


class _Whole:
    """The record of a call with a whole answer."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._attempt: Attempt = call.begin_attempt()

    def answered(self, answer: Any) -> Any:
        facts = ResponseFacts()
        with contained(PART):
            facts = self._read(answer)
        with contained(PART):
            self._attempt.succeed(facts)
            self._call.end(Status.SUCCEEDED)
        return answer

    def failed(self, exc: BaseException) -> None:
        if isinstance(exc, Exception):
            failure = classify(exc, self._call.request.secrets, self._call.services.clock.now())
            self._attempt.fail(failure)
            self._call.end(Status.FAILED, failure)
        else:
            self._attempt.cancel()
            self._call.end(Status.CANCELLED)

    def _read(self, answer: Any) -> ResponseFacts:
        request = self._call.request
        spec = OPERATIONS[request.function]
        facts, reply = spec.facts(answer, request.arguments), spec.reply(answer)
        if self._call.wants_output:
            self._call.note_output(reply.output)
        return completed_facts(facts, self._call.services.backend, request, reply.said)


class _Streamed:
    """The record of a call with a streamed answer."""

    def __init__(self, call: Call, *, is_async: bool) -> None:
        self._run = StreamRun(call, is_async=is_async)
        self._run.begin()

    def answered(self, answer: Any) -> Any:
        if not hasattr(answer, "__next__") and not hasattr(answer, "__anext__"):
            with contained(PART):
                # Asked for as a stream and given whole.
                self._run.take(answer)
                self._run.succeed()
            return answer
        with contained(PART):
            answer = keeping_events(answer)
        self._run.upstream = answer
        return DirectStream(self._run, answer)

    def failed(self, exc: BaseException) -> None:
        self._run.recover(exc)


class DirectStream:
    """LiteLLM's stream, recorded while the host reads it: every attribute is the stream's own, and so is the class that it shows.

    Closed or dropped before its end, it is recorded as cancelled. Its `close` is there for every stream; LiteLLM's own have none.
    """

    __slots__ = ("__weakref__", "_metering_run", "_metering_stream")

    _metering_run: StreamRun
    _metering_stream: Any

    def __init__(self, run: StreamRun, stream: Any) -> None:
        object.__setattr__(self, "_metering_run", run)
        object.__setattr__(self, "_metering_stream", stream)

    @property  # type: ignore[misc]  # nobody may set it
    def __class__(self) -> Any:
        """The stream's own, since hosts and LiteLLM itself ask by `isinstance` what they were given."""
        return type(self._metering_stream)

    def __getattr__(self, name: str) -> Any:
        if name in DirectStream.__slots__:
            raise AttributeError(name)
        return getattr(self._metering_stream, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._metering_stream, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._metering_stream, name)

    def __repr__(self) -> str:
        return repr(self._metering_stream)

    def __iter__(self) -> Any:
        return self

    def __aiter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        """The stream's next chunk."""
        run = self._metering_run
        if run.is_over:
            return next(self._metering_stream)
        try:
            with run.call.activate():
                chunk = next(self._metering_stream)
        except StopIteration:
            _finish(run)
            raise
        except BaseException as exc:
            _fail(run, exc)
            raise
        _take(run, chunk)
        return chunk

    async def __anext__(self) -> Any:
        """The stream's next chunk."""
        run = self._metering_run
        if run.is_over:
            return await anext(self._metering_stream)
        try:
            with run.call.activate():
                chunk = await anext(self._metering_stream)
        except StopAsyncIteration:
            _finish(run)
            await run.call.settle()
            raise
        except GeneratorExit:
            dropped.end_later(run.abandon)
            raise
        except BaseException as exc:
            _fail(run, exc)
            await run.call.settle()
            raise
        _take(run, chunk)
        return chunk

    def close(self) -> None:
        """Stop here; what came so far is recorded."""
        _abandon(self._metering_run)
        close = getattr(self._metering_stream, "close", None)
        if callable(close) and not inspect.iscoroutinefunction(close):
            close()

    async def aclose(self) -> None:
        """Stop here, on an event loop."""
        run = self._metering_run
        _abandon(run)
        close = getattr(self._metering_stream, "aclose", None)
        if callable(close):
            await close()
        await run.call.settle()

    def __del__(self) -> None:
        run = self._metering_run
        if not run.is_over:
            dropped.end_later(run.abandon)


def _take(run: StreamRun, chunk: Any) -> None:
    with contained(PART):
        run.take(chunk)
        # The host gets the chunks; nobody waits for their text.
        run.waiting.clear()


def _finish(run: StreamRun) -> None:
    with contained(PART):
        run.succeed()


def _fail(run: StreamRun, exc: BaseException) -> None:
    with contained(PART):
        run.recover(exc)


def _abandon(run: StreamRun) -> None:
    with contained(PART):
        run.abandon()
