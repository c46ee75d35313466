"""One call with a streamed answer: a generator of deltas that ends its record exactly once, whatever the consumer does."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

from agentcore_metering.core.chunks import Delta, StreamAccumulator
from agentcore_metering.core.containment import contained
from agentcore_metering.core.failures import classify, scrub_exception
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.payload import read
from agentcore_metering.core.retry import RetryPolicy
from agentcore_metering.core.types import AttemptRecord, ResponseFacts, Status
from agentcore_metering.core.usage import with_estimate

__all__ = ["CompletionStream", "StreamAnswer"]

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """What a stream that was read to its end has given."""

    record: AttemptRecord
    tool_calls: tuple[Mapping[str, Any], ...]
    finish_reason: str | None


class CompletionStream(Generator[Delta, None, ResultT], Generic[ResultT]):
    """A generator of deltas; its return value is `finish(answer)`.

    The call has begun when this is made: its span has the caller's context even if it is consumed elsewhere. The provider is called at
    the first `next()`. Closed, dropped or abandoned before the end, it is recorded as cancelled. Retries happen only before the first
    delta: nothing that the caller has seen is ever said again. `translate` may put another exception in the place of the one that ends
    the call, which becomes its cause.
    """

    def __init__(
        self,
        call: Call,
        finish: Callable[[StreamAnswer], ResultT],
        translate: Callable[[Exception], Exception] | None = None,
    ) -> None:
        self._call = call
        self._finish = finish
        self._translate = translate
        self._deltas = self._run()
        self._is_started = False

    def send(self, value: None) -> Delta:
        """The next delta."""
        self._is_started = True
        return self._deltas.send(value)

    def throw(self, typ: Any, val: BaseException | object = None, tb: TracebackType | None = None) -> Delta:
        """As a generator's: the exception appears where the last delta was given."""
        if not self._is_started:
            self.close()
        return self._deltas.throw(
            typ if isinstance(typ, BaseException) else val if isinstance(val, BaseException) else typ()
        )

    def close(self) -> None:
        """Stop here. A stream that was never started is recorded too: the caller had asked for it."""
        if not self._is_started:
            self._is_started = True
            self._call.begin_attempt().cancel()
            self._call.end(Status.CANCELLED)
        self._deltas.close()

    def __del__(self) -> None:
        with contained("stream"):
            self.close()

    def _run(self) -> Generator[Delta, None, ResultT]:
        call = self._call
        policy = RetryPolicy(call.request.timeout_s, call.request.max_retries)
        while True:
            stream = _ProviderStream(call, policy)
            try:
                yield from stream
                return self._finish(stream.succeed())
            except BaseException as exc:
                delay_s = stream.recover(exc, policy)
                if delay_s is None:
                    self._raise_translated(exc)
                    raise
            call.services.clock.sleep(delay_s)

    def _raise_translated(self, exc: BaseException) -> None:
        translated = self._translate(exc) if self._translate is not None and isinstance(exc, Exception) else exc
        if translated is not exc:
            raise translated from exc


class _ProviderStream:
    """One attempt of a stream."""

    def __init__(self, call: Call, policy: RetryPolicy) -> None:
        self._call = call
        self._attempt = call.begin_attempt()
        self._timeout_s = policy.attempt_timeout_s(self._attempt.number, call.elapsed_s)
        self._accumulator = StreamAccumulator()
        self._upstream: Any = None
        self._last_chunk_s: float | None = None
        self._has_emitted = False
        call.chunk_intervals_s.clear()

    def __iter__(self) -> Iterator[Delta]:
        chunks = self._open()
        while (chunk := self._next_chunk(chunks)) is not None:
            for delta in self._accumulator.feed(chunk):
                self._attempt.note_first_chunk()
                self._has_emitted = True
                yield delta

    def succeed(self) -> StreamAnswer:
        """The stream came to its end: so have attempt and call."""
        record = self._attempt.succeed(self._facts())
        self._note_output()
        self._call.end(Status.SUCCEEDED)
        return StreamAnswer(record, self._accumulator.tool_calls, self._accumulator.finish_reason)

    def recover(self, exc: BaseException, policy: RetryPolicy) -> float | None:
        """Seconds to wait before the stream is asked for anew, or None when this is the call's end, which it then is."""
        call = self._call
        self._close_upstream()
        self._note_output()
        if not isinstance(exc, Exception):
            self._attempt.cancel(self._facts())
            call.end(Status.CANCELLED)
            return None
        failure = classify(exc, call.request.secrets, call.services.clock.now())
        delay_s = None
        if not self._has_emitted:
            delay_s = policy.next_delay_s(self._attempt.number - 1, failure, call.elapsed_s)
        self._attempt.fail(failure, self._facts(), will_retry=delay_s is not None)
        if delay_s is None:
            call.end(Status.FAILED, failure)
            if call.request.redact_exceptions:
                scrub_exception(exc, call.request.secrets)
        return delay_s

    def _open(self) -> Iterator[Any]:
        call = self._call
        with call.activate():
            self._upstream = call.services.backend.complete({**call.request.arguments, "timeout": self._timeout_s})
            return iter(self._upstream)

    def _next_chunk(self, chunks: Iterator[Any]) -> Any:
        """The next chunk, or None at the end. The call's context is current only while the provider is read."""
        with self._call.activate():
            chunk = next(chunks, None)
        if chunk is not None:
            now_s = self._call.services.clock.monotonic_s()
            if self._last_chunk_s is not None:
                self._call.chunk_intervals_s.append(now_s - self._last_chunk_s)
            self._last_chunk_s = now_s
        return chunk

    def _facts(self) -> ResponseFacts:
        provider_chunks = read(self._upstream, "chunks")
        if isinstance(provider_chunks, list):
            self._accumulator.trust_only(provider_chunks)
        facts, text = self._accumulator.facts, self._accumulator.text
        has_answered = bool(text) or self._last_chunk_s is not None
        return with_estimate(facts, self._call.services.backend, self._call.request, text) if has_answered else facts

    def _note_output(self) -> None:
        if self._call.wants_output:
            self._call.note_output(self._accumulator.output)

    def _close_upstream(self) -> None:
        """Stop reading, so that the provider can stop generating."""
        close = getattr(self._upstream, "close", None)
        if callable(close):
            with contained("stream"):
                close()
