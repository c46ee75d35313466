"""The telemetry of a call as the core's observer: joins the span and the metrics, and keeps a fault in one from the other."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from datetime import datetime

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Tracer, TracerProvider

from agentcore_metering.core.types import AttemptRecord, CallContext, CallRecord, CallRequest, TraceLink
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.attributes import CallTotals
from agentcore_metering.telemetry.metrics import CallMetrics
from agentcore_metering.telemetry.spans import CallSpan


class TelemetryObservation:
    """One call's span and metrics; a `CallObservation`. Exceptions pass through: the lifecycle contains them."""

    __slots__ = ("_metrics", "_span")

    def __init__(self, span: CallSpan, metrics: CallMetrics) -> None:
        self._span = span
        self._metrics = metrics

    @property
    def trace(self) -> TraceLink | None:
        """The ids of the call's span, or None where nothing is traced."""
        return self._span.link

    def activate(self) -> AbstractContextManager[None]:
        """See `CallSpan.activate`."""
        return self._span.activate()

    def attempt_ended(self, record: AttemptRecord, *, will_retry: bool) -> None:
        """Count the attempt."""
        self._metrics.attempt_ended(record, self._span.context, will_retry=will_retry)

    def call_ended(self, record: CallRecord) -> None:
        """Measure the call and end its span, which ends whatever happens before."""
        try:
            totals = CallTotals.of(record.attempts)
            try:
                self._metrics.call_ended(record, totals, self._span.context)
            finally:
                self._span.describe(record, totals)
        finally:
            self._span.end(record)


class TelemetryObserver:
    """Spans and metrics of every call through OpenTelemetry's API; a `CallObserver`.

    Providers that are None are the global ones, also when the host sets them only later. Metric names of v1.41 are added
    when `OTEL_SEMCONV_STABILITY_OPT_IN` contains `gen_ai/dup` at the time this is made.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer_provider = tracer_provider
        self._metrics = CallMetrics(meter_provider)

    @functools.cached_property
    def _tracer(self) -> Tracer:
        return trace.get_tracer(semconv.SCOPE_NAME, semconv.SCOPE_VERSION, self._tracer_provider)

    def call_started(self, request: CallRequest, context: CallContext, started_at: datetime) -> TelemetryObservation:
        """The observation of a call that begins at `started_at`; its span has started."""
        return TelemetryObservation(CallSpan(self._tracer, request, context, started_at), self._metrics)
