"""A real SDK in memory. Its providers are passed explicitly; the global ones are never set."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from agentcore_metering.telemetry.observer import TelemetryObserver

Points = dict[str, list[tuple[Mapping[str, Any], Any]]]


@dataclass(frozen=True)
class RecordedTelemetry:
    """An observer and what it has sent."""

    observer: TelemetryObserver
    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    @property
    def span(self) -> ReadableSpan:
        (span,) = self.spans
        return span

    def metrics(self) -> dict[str, Metric]:
        collected = self.reader.get_metrics_data()
        scopes = (
            [scope for resource in collected.resource_metrics for scope in resource.scope_metrics] if collected else []
        )
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self) -> Points:
        """By metric name its data points: attributes with a counter's value or a histogram's (count, sum)."""
        return {
            name: [(dict(point.attributes or {}), _value(point)) for point in metric.data.data_points]
            for name, metric in self.metrics().items()
        }

    def close(self) -> None:
        self.tracer_provider.shutdown()
        self.reader.shutdown()


def _value(point: Any) -> Any:
    return (point.count, point.sum) if isinstance(point, HistogramDataPoint) else point.value


def record_telemetry(sampler: Sampler = ALWAYS_ON) -> RecordedTelemetry:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracer_provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    observer = TelemetryObserver(tracer_provider, meter_provider)
    return RecordedTelemetry(observer, tracer_provider, meter_provider, exporter, reader)


@dataclass(frozen=True)
class RecordedEvent:
    """One event, in whichever way the installed SDK keeps it."""

    name: Any
    body: Any
    attributes: dict[str, Any]
    trace_id: int
    span_id: int
    timestamp: Any
    scope: str
    schema_url: Any


@dataclass(frozen=True)
class RecordedLogs:
    """A logger provider, or with early SDKs an event logger provider, and what came to it."""

    provider: Any
    exporter: Any

    @property
    def events(self) -> list[RecordedEvent]:
        return [_event(item) for item in self.exporter.get_finished_logs()]

    @property
    def event(self) -> RecordedEvent:
        (event,) = self.events
        return event


def _event(item: Any) -> RecordedEvent:
    record = item.log_record
    attributes = dict(record.attributes or {})
    name = attributes.pop("event.name", None) or record.event_name
    ids = (record.trace_id, record.span_id, record.timestamp)
    scope = item.instrumentation_scope
    return RecordedEvent(name, record.body, attributes, *ids, scope.name, scope.schema_url)


def record_logs() -> RecordedLogs:
    from opentelemetry.sdk import _logs
    from opentelemetry.sdk._logs import export

    # Both classes were renamed when log records of the API became what is emitted.
    is_early = not hasattr(_logs, "ReadWriteLogRecord")
    exporter = getattr(export, "InMemoryLogExporter" if is_early else "InMemoryLogRecordExporter")()
    provider: Any = _logs.LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(export.SimpleLogRecordProcessor(exporter))
    if is_early:
        provider = importlib.import_module("opentelemetry.sdk._events").EventLoggerProvider(provider)
    return RecordedLogs(provider, exporter)
