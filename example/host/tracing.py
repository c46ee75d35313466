"""OpenTelemetry as a host sets it up: providers, exporters, Django's instrumentation. Nothing in here is about metering."""

from __future__ import annotations

import os
import uuid

from opentelemetry import metrics, trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SERVICE_NAME = "example-host"


def configure(span_processors: tuple[SpanProcessor, ...] = (), metric_readers: tuple[MetricReader, ...] = ()) -> None:
    """Set this process's providers: the ones given, and OTLP where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector.

    To be called before Django's handler is made, because the instrumentation adds a middleware to the settings.
    """
    resource = Resource.create({"service.name": SERVICE_NAME, "service.instance.id": str(uuid.uuid4())})
    otlp_processors, otlp_readers = _otlp()
    tracer_provider = TracerProvider(resource=resource)
    for processor in (*span_processors, *otlp_processors):
        tracer_provider.add_span_processor(processor)
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(MeterProvider([*metric_readers, *otlp_readers], resource=resource))
    DjangoInstrumentor().instrument()


def _otlp() -> tuple[tuple[SpanProcessor, ...], tuple[MetricReader, ...]]:
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return (), ()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return (BatchSpanProcessor(OTLPSpanExporter()),), (PeriodicExportingMetricReader(OTLPMetricExporter()),)
