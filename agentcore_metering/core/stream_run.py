"""Owns one streamed call while it is read: its attempts, the deltas that wait for the consumer, and the one end.

The consumer's objects, which wait for the provider in a thread or on an event loop, are `streaming`'s; LiteLLM's own stream in the hands of
a host is `direct_call`'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, replace
from typing import Any

from agentcore_metering.core import dropped
from agentcore_metering.core.chunks import Delta, StreamAccumulator
from agentcore_metering.core.containment import contained
from agentcore_metering.core.failures import classify
from agentcore_metering.core.lifecycle import Attempt, Call
from agentcore_metering.core.operations import completed_facts
from agentcore_metering.core.response_events import ResponseEvents
from agentcore_metering.core.retry import RetryPolicy
from agentcore_metering.core.scrubbing import scrub_exception
from agentcore_metering.core.stream_time import StreamTime
from agentcore_metering.core.types import AttemptRecord, Failure, ResponseFacts, Status

__all__ = ["StreamAnswer", "StreamRun", "Translate"]

Translate = Callable[[Exception], Exception]
"""What may put another exception in the place of the one that ends a call."""

_ACCUMULATORS: Mapping[str, type[StreamAccumulator]] = {"responses": ResponseEvents}


@dataclass(frozen=True, slots=True)
class StreamAnswer:
    """What a stream that was read to its end has given."""

    record: AttemptRecord
    tool_calls: tuple[Mapping[str, Any], ...]
    finish_reason: str | None


class StreamRun:
    """What sync and async streams share, the host's own among them: attempts, deltas that wait for the consumer, and the one end."""

    def __init__(self, call: Call, *, is_async: bool = False) -> None:
        self.call = call
        self.is_over = False
        self._is_async = is_async
        self.waiting: deque[Delta] = deque()
        self.upstream: Any = None
        """What the backend gave: LiteLLM's wrapper, which also keeps the provider's own chunks."""
        self.chunks: Any = None
        """Its iterator; None while no request is open."""
        self._begin_config()
        self._attempt: Attempt | None = None
        self._accumulator = self._new_accumulator()
        self._last_chunk_s: float | None = None
        self._has_emitted = False
        self._inside: tuple[Context, AbstractContextManager[None]] | None = None
        dropped.keep(self)

    def inside(self, work: Callable[[], Any]) -> Any:
        """What `work` gives with the call's context current, which begins as a copy of the one in which this is first called.

        One context for the whole stream: to enter it costs a fraction of what setting and resetting its variables for each chunk does.
        """
        if self._inside is None:
            self._inside = copy_context(), self.call.activate()
            context, activation = self._inside
            context.run(activation.__enter__)
        try:
            return self._inside[0].run(work)
        finally:
            if self.is_over:
                self._leave()

    def begin(self) -> None:
        """The next attempt is about to be sent."""
        self._attempt = self.call.begin_attempt()
        self._accumulator = self._new_accumulator()
        self._last_chunk_s = None
        self.call.chunk_intervals_s.clear()

    def arguments(self) -> Mapping[str, Any]:
        """What the backend is given for the attempt that was begun. Its `timeout` is how long a client may wait for any one piece."""
        number = self._attempt.config_attempt if self._attempt is not None else 1
        timeout_s = self._policy.attempt_timeout_s(number, self.call.sent_elapsed_s)
        return {**self.call.arguments, "timeout": min(timeout_s, self.time.idle_s)}

    def patience(self) -> tuple[float, str]:
        """How long the provider may be silent now, in seconds, and what to say when it is for longer."""
        return self.time.patience(has_begun=self._last_chunk_s is not None)

    def cut(self) -> None:
        """Take the connection away from the thread that reads it: the stream's whole time is over."""
        upstream = self.upstream
        if upstream is not None and not self.is_over:
            self.call.services.backend.cut(upstream)

    def take(self, chunk: Any) -> None:
        """One chunk has come."""
        now_s = self.call.services.clock.monotonic_s()
        if self._last_chunk_s is not None:
            self.call.chunk_intervals_s.append(now_s - self._last_chunk_s)
        else:
            provider_chunks = self.call.services.backend.provider_chunks(self.upstream)
            self._accumulator.has_provider_chunks = provider_chunks is not None
        self._last_chunk_s = now_s
        deltas = self._accumulator.feed(chunk)
        if deltas and self._attempt is not None:
            self._attempt.note_first_chunk()
            self.waiting.extend(deltas)

    def next_delta(self) -> Delta:
        """The next one for the consumer."""
        self._has_emitted = True
        return self.waiting.popleft()

    def succeed(self) -> StreamAnswer:
        """The stream came to its end: so have attempt and call."""
        self.is_over = True
        attempt = self._attempt or self.call.begin_attempt()
        record = attempt.succeed(self._facts(has_ended=True))
        self._end(Status.SUCCEEDED)
        return StreamAnswer(record, self._accumulator.tool_calls, self._accumulator.finish_reason)

    def recover(self, exc: BaseException) -> float | None:
        """Seconds to wait before the stream is asked for anew, or None when this is the call's end, which it then is."""
        if not isinstance(exc, Exception):
            self.abandon()
            return None
        request, attempt = self.call.request, self._attempt or self.call.begin_attempt()
        failure = classify(exc, request.secrets, self.call.services.clock.now())
        delay_s, can_fall_back = None, not self._has_emitted and self.call.can_fall_back(failure)
        if not self._has_emitted and not self.call.must_leave_config(failure):
            delay_s = self._policy.next_delay_s(attempt.config_attempt - 1, failure, self.call.sent_elapsed_s)
        attempt.fail(failure, self._facts(), will_retry=delay_s is not None or can_fall_back)
        self._close_upstream()
        if delay_s is None and can_fall_back and self.call.leave_config(failure):
            self.time.forget()
            self._begin_config()
            return 0.0
        if delay_s is None:
            self._end(Status.FAILED, failure)
            if request.redact_exceptions:
                scrub_exception(exc, request.secrets)
        return delay_s

    def abandon(self) -> None:
        """The consumer leaves: what came so far is recorded as cancelled. Nothing happens after an end."""
        if self.is_over:
            return
        self.is_over = True
        (self._attempt or self.call.begin_attempt()).cancel(self._facts())
        self._close_upstream()
        self._end(Status.CANCELLED)

    def raise_translated(self, exc: BaseException, translate: Translate | None) -> None:
        """Raise what `translate` makes of the provider's exception, from it; return when it is the same."""
        translated = translate(exc) if translate is not None and isinstance(exc, Exception) else exc
        if translated is not exc:
            raise translated from exc

    def _begin_config(self) -> None:
        self.time = StreamTime(self.call)
        self._policy = RetryPolicy(self.time.budget_s, self.call.request.max_retries)

    def _new_accumulator(self) -> StreamAccumulator:
        return _ACCUMULATORS.get(self.call.request.function, StreamAccumulator)()

    def _end(self, status: Status, failure: Failure | None = None) -> None:
        self.is_over = True
        self.time.forget()
        dropped.release(self)
        self._leave()
        if self.call.wants_output:
            self.call.note_output(self._accumulator.output)
        self.call.end(status, failure)

    def _leave(self) -> None:
        if self._inside is None:
            return
        context, activation = self._inside
        # Not possible while another thread is in there: that one leaves after its chunk.
        with contained("stream"), suppress(RuntimeError):
            context.run(activation.__exit__, None, None, None)
            self._inside = None

    def _facts(self, *, has_ended: bool = False) -> ResponseFacts:
        provider_chunks = self.call.services.backend.provider_chunks(self.upstream)
        if provider_chunks is not None:
            self._accumulator.trust_only(provider_chunks)
        facts, text = self._accumulator.facts, self._accumulator.text
        if (model := self.call.services.backend.provider_model(self.upstream)) is not None:
            facts = replace(facts, response_model=model)
        has_answered = bool(text) or self._last_chunk_s is not None
        if not has_answered:
            return facts
        # What is said of usage before the end is what had come by then; only with the finish reason is it the last word.
        is_cut = not has_ended and facts.finish_reason is None
        return completed_facts(facts, self.call.services.backend, self.call.request, text, is_cut=is_cut)

    def _close_upstream(self) -> None:
        """Stop reading. An async upstream is closed by who can await it."""
        if self.upstream is not None and not self._is_async:
            with contained("stream"):
                self.call.services.backend.close(self.upstream)
        self.chunks = self.upstream = None
        self.waiting.clear()
