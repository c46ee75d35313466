"""OpenTelemetry for hosts that have none: `configure()` once per process. The only module that imports the SDK (the extra `otel`).

Leaves to the host whatever it has set already, and to the SDK what the `OTEL_*` variables say of sampling, batching and endpoints.
Right under prefork: a forked child gets its own `service.instance.id` and starts its metrics from nothing.
"""

from __future__ import annotations

import functools
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
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

logger = logging.getLogger(__name__)

PROTOCOL = "http/protobuf"
TEMPORALITY_ENV = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
SERVICE_NAME = "service.name"
SERVICE_INSTANCE_ID = "service.instance.id"
UNKNOWN_SERVICE = "unknown_service"
"""What the SDK calls a service, with or without a suffix, that nobody has named."""

FORGETTING_TIMEOUT_S = 1.0
_KEEPS_SUMS = "What was measured before the fork counts again in process %d: %s. Make no calls before a fork, or call configure() after it."


class SignalState(StrEnum):
    """What became of one signal."""

    CONFIGURED = "configured"
    """Its provider was made and set by `configure`."""
    HOST = "left to the host's provider"
    OFF = "switched off by the environment"
    UNSUPPORTED = "not set up: the environment asks for an exporter that is not supported here"


@dataclass(frozen=True, slots=True)
class BootstrapResult:
    """What `configure` has done in this process."""

    traces: SignalState
    metrics: SignalState
    pid: int
    service_instance_id: str | None = None
    """Of the metrics of this process, and of its spans; None where nothing was configured."""
    instruments_django: bool = False
    """Whether `opentelemetry-instrumentation-django` was switched on."""
    correlates_logs: bool = False
    """Whether `opentelemetry-instrumentation-logging` was switched on: trace and span ids on log records."""


_lock = threading.Lock()
_running: _Running | None = None


def configure(
    service_name: str | None = None,
    *,
    span_processors: Sequence[SpanProcessor] = (),
    metric_readers: Sequence[MetricReader] = (),
    instrument_django: bool = True,
) -> BootstrapResult:
    """Set up tracing and metrics of this process, sent by OTLP over HTTP. Called again, it only gives the result again.

    To be called where the process begins (`wsgi.py`, `asgi.py`, `manage.py`): before Django's handler is made, and not in the settings.
    A signal for which the host has a provider is left alone. One line in the INFO log says what was done.

    Args:
        service_name: `service.name`, where neither OTEL_SERVICE_NAME nor OTEL_RESOURCE_ATTRIBUTES has one.
        span_processors: used besides the OTLP exporter, or alone with OTEL_TRACES_EXPORTER=none.
        metric_readers: likewise, with OTEL_METRICS_EXPORTER. What one of them has summed up before a fork, the child has too.
        instrument_django: whether requests become spans, if `opentelemetry-instrumentation-django` is installed.

    Raises:
        MissingExtra: something is to be set up, and the extra `otel` is not installed.
    """
    global _running  # noqa: PLW0603 - a process has one set of providers; `reset` is for tests
    with _lock:
        if _running is None:
            running = _Running.start(service_name, span_processors, metric_readers)
            if running.has_providers:
                running.instrument(with_django=instrument_django)
            _running = running
            _tell(running.result)
        return _running.result


def shutdown(timeout_s: float = 5.0) -> bool:
    """Send what is left and stop; False when that took longer than `timeout_s` seconds. True where nothing was configured.

    The SDK does so by itself at a normal exit. This is for one that is not, such as `os._exit`, or that must not take long.
    """
    return _running.shutdown(timeout_s) if _running is not None else True


def reset() -> None:
    """Forget what was configured: for tests. The global providers stay; OpenTelemetry lets them be set but once."""
    global _running  # noqa: PLW0603 - see `configure`
    _running = None


class _Running:
    """The providers that were made here, in this process or in the one that it was forked from."""

    def __init__(self, traces: SignalState, metrics_state: SignalState) -> None:
        self.result = BootstrapResult(traces, metrics_state, os.getpid())
        self.tracer_provider: TracerProvider | None = None
        self.meter_provider: MeterProvider | None = None
        self.otlp_reader: Any = None
        self._is_shut_down = False

    @classmethod
    def start(
        cls, service_name: str | None, span_processors: Sequence[SpanProcessor], metric_readers: Sequence[MetricReader]
    ) -> _Running:
        """What the environment and the host leave to be set up is, and is global from now on."""
        traces = _state("TRACES", has_provider=_has_tracer_provider(), has_own=bool(span_processors))
        metrics_state = _state("METRICS", has_provider=_has_meter_provider(), has_own=bool(metric_readers))
        running = cls(traces, metrics_state)
        if SignalState.CONFIGURED in (traces, metrics_state):
            try:
                resource = _resource(service_name)
                if traces is SignalState.CONFIGURED:
                    running.tracer_provider = _tracer_provider(resource, span_processors)
                if metrics_state is SignalState.CONFIGURED:
                    running.otlp_reader = _otlp_reader() if _otlp_wish("METRICS") is SignalState.CONFIGURED else None
                    running.meter_provider = _meter_provider(resource, metric_readers, running.otlp_reader)
            except ImportError as exc:
                raise MissingExtra(
                    f"OpenTelemetry cannot be set up without its SDK and OTLP exporter ({exc}): "
                    "pip install agentcore-metering-otel[otel]"
                ) from exc
            running.publish(str(resource.attributes[SERVICE_INSTANCE_ID]))
        return running

    @property
    def has_providers(self) -> bool:
        """Whether there is anything of ours to run."""
        return self.tracer_provider is not None or self.meter_provider is not None

    def publish(self, instance_id: str) -> None:
        """Make the providers the process's own: last, so that what fails before leaves the process without any."""
        if self.tracer_provider is not None:
            trace.set_tracer_provider(self.tracer_provider)
        if self.meter_provider is not None:
            metrics.set_meter_provider(self.meter_provider)
        self.result = replace(self.result, service_instance_id=instance_id)
        _watch_forks()

    def instrument(self, *, with_django: bool) -> None:
        """Switch on the instrumentations that are installed."""
        self.result = replace(
            self.result,
            instruments_django=with_django and _has_django_settings() and _instrument("django", "DjangoInstrumentor"),
            correlates_logs=_instrument("logging", "LoggingInstrumentor", inject_trace_context=True),
        )

    def begin_anew(self) -> None:
        """Become the providers of a child that was just forked: its own instance id, and nothing counted yet."""
        instance_id = self._own_instance_id()
        self.result = replace(self.result, pid=os.getpid(), service_instance_id=instance_id)
        if self.otlp_reader is not None and self.meter_provider is not None:
            self.otlp_reader.begin_anew(self.meter_provider, instance_id)

    def _own_instance_id(self) -> str:
        """The one that the SDK has just given to the child's spans; a new one where it gives none (before 1.45)."""
        inherited = self.result.service_instance_id
        resource = self.tracer_provider.resource if self.tracer_provider is not None else None
        current = resource.attributes.get(SERVICE_INSTANCE_ID) if resource is not None else None
        return str(current) if current not in (None, inherited) else str(uuid.uuid4())

    def shutdown(self, timeout_s: float) -> bool:
        """Whether everything had stopped in time."""
        if self._is_shut_down or not self.has_providers:
            return True
        self._is_shut_down = True
        # In a thread, because an exporter that waits for a dead collector takes as long as its retries do.
        stopping = threading.Thread(target=self._stop, name="agentcore-metering-otel-shutdown", daemon=True)
        stopping.start()
        stopping.join(timeout_s)
        return not stopping.is_alive()

    def _stop(self) -> None:
        for provider in (self.tracer_provider, self.meter_provider):
            if provider is not None:
                with contained("telemetry"):
                    provider.shutdown()


def _state(signal: str, *, has_provider: bool, has_own: bool) -> SignalState:
    if _env("OTEL_SDK_DISABLED").lower() == "true":
        return SignalState.OFF
    if has_provider:
        return SignalState.HOST
    wish = _otlp_wish(signal)
    return SignalState.CONFIGURED if has_own else wish


def _otlp_wish(signal: str) -> SignalState:
    """What the environment says of the OTLP exporter of `signal`."""
    exporters = {name.strip() for name in (_env(f"OTEL_{signal}_EXPORTER") or "otlp").split(",")}
    protocol = _env(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or _env("OTEL_EXPORTER_OTLP_PROTOCOL") or PROTOCOL
    if exporters == {"none"}:
        return SignalState.OFF
    return SignalState.CONFIGURED if "otlp" in exporters and protocol == PROTOCOL else SignalState.UNSUPPORTED


def _env(name: str) -> str:
    return os.environ.get(name, "").strip()


def _has_tracer_provider() -> bool:
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _has_meter_provider() -> bool:
    # The API's placeholder is told by its name: its class is private.
    return type(metrics.get_meter_provider()).__name__ != "_ProxyMeterProvider"


def _resource(service_name: str | None) -> Resource:
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create()
    ours = {}
    if service_name and str(resource.attributes.get(SERVICE_NAME, UNKNOWN_SERVICE)).startswith(UNKNOWN_SERVICE):
        ours[SERVICE_NAME] = service_name
    if SERVICE_INSTANCE_ID not in resource.attributes:
        ours[SERVICE_INSTANCE_ID] = str(uuid.uuid4())
    return resource.merge(Resource(ours))


def _tracer_provider(resource: Resource, span_processors: Sequence[SpanProcessor]) -> TracerProvider:
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=resource)
    for processor in span_processors:
        provider.add_span_processor(processor)
    if _otlp_wish("TRACES") is SignalState.CONFIGURED:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _meter_provider(resource: Resource, metric_readers: Sequence[MetricReader], otlp_reader: Any) -> MeterProvider:
    from opentelemetry.sdk.metrics import MeterProvider

    own = [otlp_reader] if otlp_reader is not None else []
    return MeterProvider([*metric_readers, *own], resource=resource)


def _otlp_reader() -> Any:
    """A reader that exports by OTLP and that can begin anew in a forked child."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import MetricsData, PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    class ForkAwareReader(PeriodicExportingMetricReader):
        own_resource: Resource | None = None
        is_restarting = False

        def begin_anew(self, provider: Any, instance_id: str) -> None:
            self.own_resource = Resource({SERVICE_INSTANCE_ID: instance_id})
            if not hasattr(provider, "add_metric_reader"):
                logger.warning(_KEEPS_SUMS, os.getpid(), "this release of opentelemetry-sdk cannot forget it")
                return
            # In a thread, for a lock of the SDK's may have been held at the fork by a thread that the child does not have.
            forgetting = threading.Thread(target=self._forget, args=(provider,), daemon=True)
            forgetting.start()
            forgetting.join(FORGETTING_TIMEOUT_S)
            if forgetting.is_alive():
                logger.warning(_KEEPS_SUMS, os.getpid(), "the parent was collecting it just then")

        def _forget(self, provider: Any) -> None:
            # Taking the reader out drops its sums; putting it in again gives it new ones, for the same instruments.
            self.is_restarting = True
            with contained("telemetry"):
                provider.remove_metric_reader(self)
                provider.add_metric_reader(self)
            self.is_restarting = False

        def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
            # The provider shuts down what is taken out of it.
            if not self.is_restarting:
                super().shutdown(timeout_millis, **kwargs)

        def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
            if self.own_resource is not None:
                # Not every release gives the child's metrics an instance id of their own; workers would overwrite each other.
                own = [replace(r, resource=r.resource.merge(self.own_resource)) for r in metrics_data.resource_metrics]
                metrics_data = replace(metrics_data, resource_metrics=own)
            super()._receive_metrics(metrics_data, timeout_millis, **kwargs)

    return ForkAwareReader(OTLPMetricExporter())


def _has_django_settings() -> bool:
    """Whether Django's settings can be read. If not, its instrumentation would fix them as empty."""
    loaded = sys.modules.get("django.conf")
    has_settings = bool(_env("DJANGO_SETTINGS_MODULE")) or (loaded is not None and loaded.settings.configured)
    if not has_settings:
        logger.warning(
            "Requests are not traced: DJANGO_SETTINGS_MODULE is not set. Set it before configure() is called."
        )
    return has_settings


def _instrument(package: str, class_name: str, **options: Any) -> bool:
    """Switch on an instrumentation; False where it is not installed or the host has switched it on already."""
    try:
        module = importlib.import_module(f"opentelemetry.instrumentation.{package}")
    except ImportError:
        return False
    instrumentor = getattr(module, class_name)()
    if instrumentor.is_instrumented_by_opentelemetry:
        return False
    instrumentor.instrument(**options)
    # It declines, and says why in the log, where what it instruments has a version that it does not know.
    return bool(instrumentor.is_instrumented_by_opentelemetry)


@functools.cache
def _watch_forks() -> None:
    """Registered after the SDK's own handlers, so that it sees what they did. Once: a handler cannot be taken back."""
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _after_fork_in_child() -> None:
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that the child does not have
    _lock = threading.Lock()
    if _running is not None:
        with contained("telemetry"):
            _running.begin_anew()


def _tell(result: BootstrapResult) -> None:
    logger.info(
        "OpenTelemetry of process %d: traces are %s; metrics are %s; Django's requests are %s; log correlation is %s",
        result.pid,
        result.traces,
        result.metrics,
        "traced" if result.instruments_django else "left alone",
        "on" if result.correlates_logs else "left alone",
    )
    if SignalState.UNSUPPORTED in (result.traces, result.metrics):
        logger.warning(
            "OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER can be otlp or none here, and OTEL_EXPORTER_OTLP_PROTOCOL %s; "
            "for anything else set the providers yourself.",
            PROTOCOL,
        )
    temporality = _env(TEMPORALITY_ENV).lower()
    if temporality in ("delta", "lowmemory"):
        logger.warning(
            "%s=%s: the dashboards, and totals that are exact, need cumulative counters. Unset it.",
            TEMPORALITY_ENV,
            temporality,
        )
