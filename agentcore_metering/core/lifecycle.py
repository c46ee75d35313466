"""One call in progress: begin, attempts, and exactly one end. Derives the records and tells observer and sink.

Whatever fails in them is contained here; the caller's result or exception is never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Any

from agentcore_metering.core.activation import Activation
from agentcore_metering.core.containment import contained
from agentcore_metering.core.fallback import FallbackPlan
from agentcore_metering.core.ids import uuid7
from agentcore_metering.core.log_masking import remember_secrets
from agentcore_metering.core.otel_callbacks import with_parent
from agentcore_metering.core.ports import (
    CallObservation,
    CallObserver,
    Clock,
    CompletionBackend,
    PriceSource,
    RecordSink,
)
from agentcore_metering.core.pricing import price_attempt
from agentcore_metering.core.types import (
    EMPTY,
    AttemptRecord,
    AttemptStart,
    CallContext,
    CallRecord,
    CallRequest,
    Cost,
    CostStatus,
    Failure,
    FailureKind,
    OutputContent,
    ResponseFacts,
    Status,
    TraceLink,
    UsageSource,
)

__all__ = ["Attempt", "Call", "CallServices"]

AttemptListener = Callable[[AttemptRecord], None]


@dataclass(frozen=True, slots=True)
class CallServices:
    """What every call needs from outside."""

    backend: CompletionBackend
    observer: CallObserver
    sink: RecordSink
    prices: PriceSource
    clock: Clock


class Call:
    """One call, from the moment the caller asked for it."""

    def __init__(
        self,
        services: CallServices,
        request: CallRequest,
        context: CallContext,
        on_attempt: AttemptListener | None = None,
        fallback: FallbackPlan | None = None,
    ) -> None:
        self.services = services
        self.request = request
        """The request of the configuration that is being asked; a fallback puts another one in its place."""
        self._asked = request
        self.context = context
        self._on_attempt = on_attempt
        self._fallback = fallback
        self._started_at = services.clock.now()
        self._started_s = services.clock.monotonic_s()
        self._attempts: list[AttemptRecord] = []
        self._attempts_begun = 0
        self._config_attempts_begun = 0
        self._config_sent_s: float | None = None
        self._id = uuid7()
        self._endings = count()
        self._first_sent_s: float | None = None
        self._first_chunk_s: float | None = None
        self.chunk_intervals_s: list[float] = []
        self._observation: CallObservation = _Unobserved()
        with contained("telemetry"):
            self._observation = services.observer.call_started(request, context, self._started_at)
        self.trace = self._read_trace()
        self.wants_output = self._read_wish()
        """Whether to `note_output`; an answer is not kept otherwise."""
        self._output: OutputContent | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the call began."""
        return self.services.clock.monotonic_s() - self._started_s

    @property
    def sent_elapsed_s(self) -> float:
        """Seconds since this configuration's first attempt, by which the deadline goes; 0 before. A stream may be consumed late."""
        return 0.0 if self._config_sent_s is None else self.elapsed_s - self._config_sent_s

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What LiteLLM is given for the next attempt, but for its timeout."""
        with contained("telemetry"):
            return with_parent(self.request.arguments, self.trace)
        return self.request.arguments

    def begin_attempt(self) -> Attempt:
        """The next attempt, about to be sent. The first one's id is the call's."""
        self._attempts_begun += 1
        self._config_attempts_begun += 1
        self._output = None
        remember_secrets(self.request.secrets)
        if self._config_sent_s is None:
            self._config_sent_s = self.elapsed_s
        if self._first_sent_s is None:
            self._first_sent_s = self._config_sent_s
        start = AttemptStart(
            id=self._id if self._attempts_begun == 1 else uuid7(),
            call_id=self._id,
            attempt=self._attempts_begun,
            target=self.request.target,
            context=self.context,
            started_at=self.services.clock.now(),
            trace=self.trace,
        )
        with contained("persistence"):
            self.services.sink.attempt_started(start)
        return Attempt(self, start, self._config_attempts_begun, self._fallback)

    def can_fall_back(self, failure: Failure) -> bool:
        """Whether there is another configuration to go on with after this failure."""
        return self._fallback is not None and self._fallback.covers(failure)

    def must_leave_config(self, failure: Failure) -> bool:
        """Whether it is of no use to ask this configuration again, and there is another one: no retry fills an empty account."""
        return failure.kind is FailureKind.INSUFFICIENT_BALANCE and self.can_fall_back(failure)

    def leave_config(self, failure: Failure) -> bool:
        """Give up the configuration that was asked. True: `request` is now the next one's. False: there is none, the call has failed."""
        if self._fallback is None:
            return False
        with contained("fallback"):
            self._fallback.give_up(self.request.target.config_uuid, failure)
        if not self._fallback.covers(failure):
            return False
        self.request = self._fallback.advance(failure)
        self._config_attempts_begun = 0
        self._config_sent_s = None
        return True

    def activate(self) -> AbstractContextManager[None]:
        """A context in which the provider is called with the call's span current; see `CallObservation.activate`."""
        return Activation(self._observation)

    def note_first_chunk(self) -> None:
        """The caller is about to get his first text."""
        if self._first_chunk_s is None and self._first_sent_s is not None:
            self._first_chunk_s = self.elapsed_s - self._first_sent_s

    def note_output(self, output: OutputContent) -> None:
        """Keep what the attempt in progress has given, for the observation that `wants_output`."""
        self._output = output

    def end(self, status: Status, failure: Failure | None = None) -> None:
        """The call is over. Only the first end counts."""
        if next(self._endings) > 0:
            return
        record = CallRecord(
            call_id=self._id,
            request=self._asked,
            context=self.context,
            status=status,
            started_at=self._started_at,
            duration_s=self.elapsed_s,
            attempts=tuple(self._attempts),
            failure=failure,
            time_to_first_chunk_s=self._first_chunk_s,
            chunk_intervals_s=tuple(self.chunk_intervals_s),
            output=self._output,
        )
        with contained("telemetry"):
            self._observation.call_ended(record)

    async def settle(self) -> None:
        """On an event loop: let the sink finish what it may not do there, before the call returns."""
        with contained("persistence"):
            await self.services.sink.settle()

    def attempt_ended(self, record: AttemptRecord, *, will_retry: bool) -> None:
        """Take an attempt's record to everyone who waits for it."""
        self._attempts.append(record)
        with contained("persistence"):
            self.services.sink.attempt_ended(record)
        with contained("telemetry"):
            self._observation.attempt_ended(record, will_retry=will_retry)
        if self._on_attempt is not None:
            with contained("state"):
                self._on_attempt(record)

    def _read_trace(self) -> TraceLink | None:
        with contained("telemetry"):
            return self._observation.trace
        return None

    def _read_wish(self) -> bool:
        with contained("telemetry"):
            return self._observation.wants_output
        return False


class Attempt:
    """One request to the provider, from just before it is sent."""

    def __init__(
        self, call: Call, start: AttemptStart, config_attempt: int = 1, fallback: FallbackPlan | None = None
    ) -> None:
        self._call = call
        self._start = start
        self._fallback = fallback
        self.config_attempt = config_attempt
        """1 for the first attempt by its configuration; the deadline and the retries are a configuration's own."""
        self._started_s = call.services.clock.monotonic_s()
        self._first_chunk_s: float | None = None
        self._record: AttemptRecord | None = None
        self._endings = count()

    @property
    def number(self) -> int:
        """1 for the first attempt of the call."""
        return self._start.attempt

    def note_first_chunk(self) -> None:
        """The first text has come."""
        if self._first_chunk_s is None:
            self._first_chunk_s = self._elapsed_s
            self._call.note_first_chunk()

    def succeed(self, facts: ResponseFacts, notes: Mapping[str, Any] = EMPTY) -> AttemptRecord:
        """A usable answer has come to its end."""
        if self._fallback is not None:
            with contained("fallback"):
                self._fallback.succeeded(self._start.target.config_uuid)
        return self._end(Status.SUCCEEDED, facts, notes=notes)

    def fail(
        self,
        failure: Failure,
        facts: ResponseFacts | None = None,
        notes: Mapping[str, Any] = EMPTY,
        *,
        will_retry: bool = False,
    ) -> AttemptRecord:
        """No usable answer; `facts` is what came of it all the same."""
        return self._end(Status.FAILED, facts or ResponseFacts(), failure=failure, notes=notes, will_retry=will_retry)

    def cancel(self, facts: ResponseFacts | None = None) -> AttemptRecord:
        """The caller left before the end."""
        return self._end(Status.CANCELLED, facts or ResponseFacts())

    @property
    def _elapsed_s(self) -> float:
        return self._call.services.clock.monotonic_s() - self._started_s

    def _end(
        self,
        status: Status,
        facts: ResponseFacts,
        *,
        failure: Failure | None = None,
        notes: Mapping[str, Any] = EMPTY,
        will_retry: bool = False,
    ) -> AttemptRecord:
        duration_s = self._elapsed_s
        cost, cost_status = self._price(facts)
        start = self._start
        if self._fallback is not None:
            notes = {**self._fallback.notes(start, self.config_attempt, failure), **notes}
        record = AttemptRecord(
            id=start.id,
            call_id=start.call_id,
            attempt=start.attempt,
            target=start.target,
            context=start.context,
            status=status,
            started_at=start.started_at,
            duration_s=duration_s,
            time_to_first_chunk_s=self._first_chunk_s,
            failure=failure,
            facts=facts,
            cost=cost,
            cost_status=cost_status,
            trace=start.trace,
            notes=notes,
        )
        # Atomic, so that a consumer may close a stream in one thread while another one reads its end.
        if next(self._endings) == 0:
            self._record = record
            self._call.attempt_ended(record, will_retry=will_retry)
        return self._record or record

    def _price(self, facts: ResponseFacts) -> tuple[Cost | None, CostStatus]:
        with contained("pricing"):
            return price_attempt(self._start.target, facts, self._call.services.prices, self._start.started_at)
        has_usage = facts.usage.source is not UsageSource.NONE
        return None, CostStatus.UNPRICED if has_usage else CostStatus.NO_USAGE


class _Unobserved:
    """The observation of a call whose observer failed at its start."""

    trace: TraceLink | None = None
    wants_output = False

    def activate(self) -> AbstractContextManager[None]:
        return nullcontext()

    def attempt_ended(self, record: AttemptRecord, *, will_retry: bool) -> None:
        """Nobody to tell."""

    def call_ended(self, record: CallRecord) -> None:
        """Nobody to tell."""
