"""A real SDK in memory. Its providers are passed explicitly; the global ones are never set."""

from __future__ import annotations

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
    return RecordedTelemetry(TelemetryObserver(tracer_provider, meter_provider), tracer_provider, exporter, reader)
