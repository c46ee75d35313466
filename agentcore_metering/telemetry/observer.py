"""The telemetry of a call as the core's observer: joins span, metrics and contents, and keeps a fault in one from the others."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Tracer, TracerProvider

from agentcore_metering.core.types import AttemptRecord, CallContext, CallRecord, CallRequest, TraceLink
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.attributes import (
    CostConvention,
    request_attributes,
    result_attributes,
    sampling_attributes,
)
from agentcore_metering.telemetry.content import CapturedContent, ContentPolicy
from agentcore_metering.telemetry.events import ContentEvent, Emit, make_emitter
from agentcore_metering.telemetry.metrics import DEFAULT_MAX_MODELS, CallMetrics
from agentcore_metering.telemetry.spans import CallSpan
from agentcore_metering.telemetry.totals import CallTotals


class TelemetryObservation:
    """One call's span, metrics and contents; a `CallObservation`. Exceptions pass through: the lifecycle contains them."""

    __slots__ = ("_observer", "_span")

    def __init__(self, observer: TelemetryObserver, span: CallSpan) -> None:
        self._observer = observer
        self._span = span

    @property
    def trace(self) -> TraceLink | None:
        """The ids of the call's span, or None where nothing is traced."""
        return self._span.link

    @property
    def wants_output(self) -> bool:
        """Whether contents are captured and have somewhere to go."""
        mode = self._observer.content.mode
        return mode.is_on_event or (mode.is_on_span and self._span.is_recording)

    def activate(self) -> AbstractContextManager[None]:
        """See `CallSpan.activate`."""
        return self._span.activate()

    def attempt_ended(self, record: AttemptRecord, *, will_retry: bool) -> None:
        """Count the attempt."""
        self._observer.metrics.attempt_ended(record, self._span.ids, will_retry=will_retry)

    def call_ended(self, record: CallRecord) -> None:
        """Measure the call, describe and end its span. Each of these is done whatever becomes of the others."""
        try:
            self._measure_and_describe(record)
        finally:
            self._span.end(record)

    def _measure_and_describe(self, record: CallRecord) -> None:
        totals = CallTotals.of(record.attempts)
        try:
            self._observer.metrics.call_ended(record, totals, self._span.ids)
        finally:
            try:
                self._span.describe(record, totals, self._observer.cost_convention)
            finally:
                if self.wants_output:
                    self._capture(record, totals)

    def _capture(self, record: CallRecord, totals: CallTotals) -> None:
        policy = self._observer.content
        captured = policy.capture(record)
        if policy.mode.is_on_span:
            self._span.describe_content(captured)
        if policy.mode.is_on_event and captured.body:
            self._observer.emit(self._event(record, totals, captured))

    def _event(self, record: CallRecord, totals: CallTotals, captured: CapturedContent) -> ContentEvent:
        attributes = request_attributes(record.request, record.context) | captured.mark
        attributes |= sampling_attributes(record.request.target)
        attributes |= result_attributes(record, totals, self._observer.cost_convention)
        return ContentEvent(captured.body, attributes, self._span.context, self._span.end_ns(record))


class TelemetryObserver:
    """Spans and metrics of every call through OpenTelemetry's API; a `CallObserver`.

    Metric names of v1.41 are added when `OTEL_SEMCONV_STABILITY_OPT_IN` contains `gen_ai/dup` at the time this is made.

    Args:
        tracer_provider, meter_provider, logger_provider: None is the global one, also when the host sets it only later. The last is for
            events with contents alone; with releases of opentelemetry-api that have no event names on log records it is an event
            logger provider.
        content: what of the messages is captured; None is what `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says now, so nothing
            unless it is set.
        max_models: distinct model names on metrics; further ones are counted as `other`.
        cost_convention: the name of a span's cost.
        has_cost_alias: whether the histogram `gen_ai.usage.cost`, of calls that cost US dollars, is measured besides our counter.
    """

    def __init__(  # noqa: PLR0913 - independent choices, by keyword
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        logger_provider: Any = None,
        content: ContentPolicy | None = None,
        max_models: int = DEFAULT_MAX_MODELS,
        cost_convention: CostConvention = CostConvention.OTEL_DRAFT,
        has_cost_alias: bool = False,
    ) -> None:
        self._tracer_provider = tracer_provider
        self._logger_provider = logger_provider
        self.metrics = CallMetrics(meter_provider, max_models, has_cost_alias=has_cost_alias)
        self.cost_convention = cost_convention
        self.content = content if content is not None else ContentPolicy.from_environment()

    @functools.cached_property
    def _tracer(self) -> Tracer:
        return trace.get_tracer(semconv.SCOPE_NAME, semconv.SCOPE_VERSION, self._tracer_provider, semconv.SCHEMA_URL)

    @functools.cached_property
    def emit(self) -> Emit:
        """What emits events with contents."""
        return make_emitter(self._logger_provider)

    def call_started(self, request: CallRequest, context: CallContext, started_at: datetime) -> TelemetryObservation:
        """The observation of a call that begins at `started_at`; its span has started."""
        return TelemetryObservation(self, CallSpan(self._tracer, request, context, started_at))
