"""OpenTelemetry for hosts that have none: `configure()` once per process. The only module that imports the SDK (the extra `otel`).

Leaves to the host whatever it has set already, and to the SDK what the `OTEL_*` variables say of sampling, batching and endpoints.
Right under prefork: a forked child gets its own `service.instance.id` and starts its metrics from nothing.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace

from agentcore_metering.core.containment import contained
from agentcore_metering.core.errors import MissingExtra

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader, MetricsData, PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

logger = logging.getLogger(__name__)

PROTOCOL = "http/protobuf"
TEMPORALITY_ENV = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
SERVICE_NAME = "service.name"
SERVICE_INSTANCE_ID = "service.instance.id"
UNKNOWN_SERVICE = "unknown_service"
"""What the SDK calls a service, with or without a suffix, that nobody has named."""


class SignalState(StrEnum):
    """What became of one signal."""

    CONFIGURED = "configured"
    """Its provider is set, by `configure`."""
    HOST = "left to the host's provider"
    OFF = "off by the environment"
    UNSUPPORTED = "off, since the environment asks for what is not supported"


@dataclass(frozen=True, slots=True)
class BootstrapResult:
    """What `configure` has done in this process."""

    traces: SignalState
    metrics: SignalState
    instruments_django: bool
    """Whether `opentelemetry-instrumentation-django` was switched on here."""
    correlates_logs: bool
    """Whether `opentelemetry-instrumentation-logging` was switched on here: trace and span ids on log records."""
    service_instance_id: str | None
    """None where nothing was configured."""
    pid: int


def configure(
    service_name: str | None = None,
    *,
    span_processors: Sequence[SpanProcessor] = (),
    metric_readers: Sequence[MetricReader] = (),
    instrument_django: bool = True,
) -> BootstrapResult:
    """Set up tracing and metrics of this process with OTLP over HTTP; called again, it only gives the same result.

    To be called where the process begins (`wsgi.py`, `asgi.py`, `manage.py`), before Django's handler is made and not in the settings.
    Each signal for which the host has a provider already is left alone. The INFO log says what was done.

    Args:
        service_name: `service.name` where neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES has one.
        span_processors, metric_readers: besides the OTLP exporter, or alone with OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER = none.
            What such a reader has summed up before a fork stays in it.
        instrument_django: whether requests become spans too, if the instrumentation is installed.

    Raises:
        MissingExtra: something is to be set up and the extra `otel` is not installed.
    """
    global _running  # noqa: PLW0603 - a process has one set of providers; `reset` is for tests
    with _lock:
        if _running is None:
            _running = _Running.start(service_name, span_processors, metric_readers, instrument_django)
            _say(_running.result)
        return _running.result


def shutdown(timeout_s: float = 5.0) -> bool:
    """Send what is left and stop; False when that took longer than `timeout_s` seconds. True where nothing was configured.

    The SDK does the same at a normal exit; this is for exits that are not, such as `os._exit`.
    """
    return _running.shutdown(timeout_s) if _running is not None else True


def reset() -> None:
    """Forget what was configured: for tests. The global providers stay; OpenTelemetry lets them be set but once."""
    global _running
    _running = None


@dataclass
class _Running:
    """The providers that were made here, in this process or in the one it was forked from."""

    tracer_provider: TracerProvider | None
    meter_provider: MeterProvider | None
    otlp_reader: Any
    """The `_otlp_reader` of `meter_provider`, or None."""
    result: BootstrapResult

    @classmethod
    def start(
        cls,
        service_name: str | None,
        span_processors: Sequence[SpanProcessor],
        metric_readers: Sequence[MetricReader],
        instrument_django: bool,  # noqa: FBT001 - passed on from a keyword
    ) -> _Running:
        traces = _state("TRACES", has_provider=_has_tracer_provider(), has_own=bool(span_processors))
        metrics_state = _state("METRICS", has_provider=_has_meter_provider(), has_own=bool(metric_readers))
        makes_traces = traces is SignalState.CONFIGURED
        makes_metrics = metrics_state is SignalState.CONFIGURED
        running = cls(None, None, None, BootstrapResult(traces, metrics_state, False, False, None, os.getpid()))
        if makes_traces or makes_metrics:
            resource = _resource(service_name)
            if makes_traces:
                running.tracer_provider = _tracer_provider(resource, span_processors)
            if makes_metrics:
                running.otlp_reader = _otlp_reader() if _wants_otlp("METRICS") else None
                running.meter_provider = _meter_provider(resource, metric_readers, running.otlp_reader)
            running.result = replace(
                running.result,
                instruments_django=instrument_django and _has_django_settings() and _instrument("django", "Django"),
                correlates_logs=makes_traces and _instrument("logging", "Logging", inject_trace_context=True),
                service_instance_id=str(resource.attributes[SERVICE_INSTANCE_ID]),
            )
            _watch_forks()
        if metrics_state in (SignalState.CONFIGURED, SignalState.HOST):
            _warn_of_temporality()
        return running
