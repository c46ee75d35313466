"""The one span of a call: its start, its place in the trace, what is current while the provider is called, and its end.

Which attributes a span has is said in `attributes`. Metrics take from here only the context that their exemplars link to.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import Token
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from agentcore_metering.core.types import CallContext, CallRecord, CallRequest, Status, TraceLink
from agentcore_metering.telemetry import attributes, semconv
from agentcore_metering.telemetry.content import CapturedContent
from agentcore_metering.telemetry.neighbours import suppressing
from agentcore_metering.telemetry.totals import CallTotals

_PROPAGATOR = TraceContextTextMapPropagator()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NS_PER_MICROSECOND = 1_000
_NS_PER_SECOND = 1_000_000_000


def _unix_ns(moment: datetime) -> int:
    # In integers: a float holds today's nanoseconds only to some hundreds.
    return (moment - _EPOCH) // _MICROSECOND * _NS_PER_MICROSECOND


def _parent_context(traceparent: str | None) -> Context:
    """The caller's context, with the span of `traceparent` in it where that is given and valid."""
    current = context_api.get_current()
    if traceparent is None:
        return current
    return _PROPAGATOR.extract({semconv.TRACEPARENT: traceparent}, current)


class _Activation:
    """Attaches a context for one `with` block and takes it off again, in the thread or task that entered it."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._token: Token[Context]

    def __enter__(self) -> None:
        self._token = context_api.attach(self._context)

    def __exit__(self, *_exception: object) -> None:
        context_api.detach(self._token)


class CallSpan:
    """The span of one call, started when this is made.

    Without an SDK the tracer hands back the caller's own span; it is left alone, `link` is None and nothing is built or set.
    """

    __slots__ = (
        "_active_context",
        "_has_ended",
        "_is_ours",
        "_operation",
        "_span",
        "_start_ns",
        "context",
    )

    def __init__(self, tracer: trace.Tracer, request: CallRequest, context: CallContext, started_at: datetime) -> None:
        parent = _parent_context(context.traceparent)
        self._operation = request.target.operation
        self._start_ns = _unix_ns(started_at)
        self._has_ended = False
        self._active_context: Context | None = None
        self._span = tracer.start_span(
            attributes.span_name(request.target),
            context=parent,
            kind=trace.SpanKind.CLIENT,
            attributes=attributes.sampling_attributes(request.target),
            start_time=self._start_ns,
        )
        span_context = self._span.get_span_context()
        parent_id = trace.get_current_span(parent).get_span_context().span_id
        self._is_ours = span_context.is_valid and span_context.span_id != parent_id
        self.context: Context = trace.set_span_in_context(self._span, parent) if self._is_ours else parent
        """The caller's context with this span, where there is one, current."""
        if self.is_recording:
            self._span.set_attributes(attributes.request_attributes(request, context))

    @property
    def link(self) -> TraceLink | None:
        """The span's ids for the row, or None where nothing is traced. A span that is not sampled has ids too."""
        if not self._is_ours:
            return None
        ids = self._span.get_span_context()
        return TraceLink(
            trace_id=trace.format_trace_id(ids.trace_id),
            span_id=trace.format_span_id(ids.span_id),
            is_sampled=ids.trace_flags.sampled,
        )

    @property
    def ids(self) -> trace.SpanContext:
        """What exemplars link to: the ids of this span, or of the caller's where nothing is traced here."""
        return trace.get_current_span(self.context).get_span_context()

    @property
    def is_recording(self) -> bool:
        """Whether what is set on the span now is kept."""
        return self._is_ours and not self._has_ended and self._span.is_recording()

    def activate(self) -> AbstractContextManager[None]:
        """A context manager in which this span is current and other LLM instrumentations are silent.

        Its context descends from the one that the call was started in, so a stream that is read after the request's span
        has ended, or in another thread, keeps its parent and its baggage.
        """
        if self._active_context is None:
            self._active_context = suppressing(self.context, self._operation)
        return _Activation(self._active_context)

    def describe(self, record: CallRecord, totals: CallTotals, cost_convention: attributes.CostConvention) -> None:
        """Set on the span what `record` says; nothing on a span that is not recorded."""
        if not self.is_recording:
            return
        self._span.set_attributes(attributes.result_attributes(record, totals, cost_convention))
        for attempt, following in pairwise(record.attempts):
            event = attributes.retry_attributes(attempt, following)
            self._span.add_event(semconv.RETRY_EVENT, event, timestamp=_unix_ns(attempt.ended_at))
        if record.status is Status.FAILED:
            self._describe_failure(record)

    def describe_content(self, captured: CapturedContent) -> None:
        """Set contents on the span; nothing on a span that is not recorded."""
        if self.is_recording:
            self._span.set_attributes(captured.span_attributes)

    def end(self, record: CallRecord) -> None:
        """End the span, once, at its start plus the call's duration, so that it lasts as long as the duration metric says."""
        if self._is_ours and not self._has_ended:
            self._has_ended = True
            self._span.end(end_time=self.end_ns(record))

    def _describe_failure(self, record: CallRecord) -> None:
        failure = record.failure
        self._span.set_status(trace.StatusCode.ERROR, failure.message if failure is not None else None)
        if failure is not None:
            event = attributes.exception_attributes(failure)
            self._span.add_event(semconv.EXCEPTION_EVENT, event, timestamp=self.end_ns(record))

    def end_ns(self, record: CallRecord) -> int:
        """The span's end, in nanoseconds since 1970."""
        return self._start_ns + round(record.duration_s * _NS_PER_SECOND)
