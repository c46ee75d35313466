"""`configure()` in this process, with global providers that last for one test."""

from __future__ import annotations

import logging
import os
import sys
import threading
import uuid
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.metrics import _internal as metrics_api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider
from opentelemetry.util._once import Once

from agentcore_metering.core.errors import MeteringError, MissingExtra
from agentcore_metering.telemetry import bootstrap
from agentcore_metering.telemetry.bootstrap import SignalState, configure
from tests.telemetry.collector import Collector, collecting

CAN_FORGET = hasattr(MeterProvider, "add_metric_reader")
DJANGO = "opentelemetry.instrumentation.django"
LOGGING = "opentelemetry.instrumentation.logging"


class FakeInstrumentor:
    """An instrumentation; `of` makes the module that it is imported from."""

    is_instrumented_by_opentelemetry = False

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []

    @classmethod
    def of(cls, class_name: str, instrumentor: FakeInstrumentor) -> ModuleType:
        module = ModuleType("instrumentation")
        setattr(module, class_name, lambda: instrumentor)
        return module

    def instrument(self, **options: Any) -> None:
        self.options.append(options)
        self.is_instrumented_by_opentelemetry = True


@pytest.fixture(autouse=True)
def _bare_host(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No provider, no variable, no instrumentation."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(metrics_api, "_METER_PROVIDER", None)
    monkeypatch.setattr(metrics_api, "_METER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(metrics_api, "_PROXY_METER_PROVIDER", metrics_api._ProxyMeterProvider())
    monkeypatch.setitem(sys.modules, DJANGO, None)
    monkeypatch.setitem(sys.modules, LOGGING, None)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.settings")
    bootstrap.reset()
    yield
    bootstrap.shutdown()
    bootstrap.reset()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.endpoint)
        yield running


@pytest.fixture
def exporting_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")


def span_and_count() -> None:
    trace.get_tracer("host").start_span("work").end()
    metrics.get_meter("host").create_counter("done").add(1)


def test_configure_sends_both_signals_with_one_instance_id(collector: Collector) -> None:
    result = configure("shop")
    span_and_count()
    assert bootstrap.shutdown() is True

    assert (result.traces, result.metrics, result.pid) == (SignalState.CONFIGURED, SignalState.CONFIGURED, os.getpid())
    instance_id = str(result.service_instance_id)
    assert uuid.UUID(instance_id).version == 4
    assert collector.spans() == [(instance_id, "work")]
    assert collector.counts("done") == {instance_id: 1}
    assert collector.services() == {"shop"}


def test_configure_called_again_gives_the_same_result(collector: Collector) -> None:
    assert configure("shop") is configure("another")


@pytest.mark.parametrize(
    "variables",
    [{"OTEL_SERVICE_NAME": "till"}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=till"}],
    ids=["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"],
)
def test_service_name_of_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, exporting_nothing: None, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    configure("shop", span_processors=[SimpleSpanProcessor(InMemorySpanExporter())])

    assert _tracer_resource()["service.name"] == "till"


def test_instance_id_of_the_environment_is_kept(monkeypatch: pytest.MonkeyPatch, exporting_nothing: None) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-7")

    result = configure(span_processors=[SimpleSpanProcessor(InMemorySpanExporter())])

    assert result.service_instance_id == "pod-7"
    assert str(_tracer_resource()["service.name"]).startswith("unknown_service")


def test_instance_id_is_made_where_the_sdk_makes_none(monkeypatch: pytest.MonkeyPatch, exporting_nothing: None) -> None:
    monkeypatch.setattr(Resource, "create", Resource.get_empty)

    result = configure("shop", span_processors=[SimpleSpanProcessor(InMemorySpanExporter())])

    assert uuid.UUID(str(result.service_instance_id)).version == 4
    assert _tracer_resource()["service.name"] == "shop"


def _tracer_resource() -> Any:
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    return provider.resource.attributes


def test_processors_and_readers_of_the_caller_are_used_without_an_exporter(exporting_nothing: None) -> None:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()

    result = configure(span_processors=[SimpleSpanProcessor(spans)], metric_readers=[reader])
    span_and_count()

    assert (result.traces, result.metrics) == (SignalState.CONFIGURED, SignalState.CONFIGURED)
    assert [span.name for span in spans.get_finished_spans()] == ["work"]
    assert reader.get_metrics_data() is not None


@pytest.mark.parametrize(
    ("variables", "traces", "metrics_state"),
    [
        ({"OTEL_SDK_DISABLED": "TRUE"}, SignalState.OFF, SignalState.OFF),
        ({"OTEL_TRACES_EXPORTER": "none"}, SignalState.OFF, SignalState.CONFIGURED),
        ({"OTEL_METRICS_EXPORTER": "none"}, SignalState.CONFIGURED, SignalState.OFF),
        ({"OTEL_TRACES_EXPORTER": "console,otlp"}, SignalState.CONFIGURED, SignalState.CONFIGURED),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, SignalState.CONFIGURED, SignalState.UNSUPPORTED),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, SignalState.UNSUPPORTED, SignalState.UNSUPPORTED),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, SignalState.UNSUPPORTED, SignalState.CONFIGURED),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"},
            SignalState.UNSUPPORTED,
            SignalState.CONFIGURED,
        ),
    ],
    ids=lambda value: "+".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_environment_decides_what_is_configured(
    monkeypatch: pytest.MonkeyPatch,
    collector: Collector,
    variables: dict[str, str],
    traces: SignalState,
    metrics_state: SignalState,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    result = configure()

    assert (result.traces, result.metrics) == (traces, metrics_state)
    assert isinstance(trace.get_tracer_provider(), TracerProvider) is (traces is SignalState.CONFIGURED)
    assert isinstance(metrics.get_meter_provider(), MeterProvider) is (metrics_state is SignalState.CONFIGURED)


def test_unsupported_exporter_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")

    configure()

    assert "http/protobuf" in caplog.text


def test_providers_of_the_host_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tracer_provider, meter_provider = NoOpTracerProvider(), NoOpMeterProvider()
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)

    result = configure()

    assert (result.traces, result.metrics, result.service_instance_id) == (SignalState.HOST, SignalState.HOST, None)
    assert trace.get_tracer_provider() is tracer_provider
    assert metrics.get_meter_provider() is meter_provider
    assert caplog.text.count("left to the host's provider") == 2
    assert len(caplog.records) == 1


def test_one_signal_is_configured_beside_the_hosts_other(collector: Collector) -> None:
    trace.set_tracer_provider(NoOpTracerProvider())

    result = configure()

    assert (result.traces, result.metrics) == (SignalState.HOST, SignalState.CONFIGURED)


@pytest.mark.parametrize(
    "missing", ["opentelemetry.sdk.resources", "opentelemetry.exporter.otlp.proto.http.metric_exporter"]
)
def test_missing_extra_is_one_clear_error_and_sets_nothing(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(MissingExtra, match=r"pip install agentcore-metering-otel\[otel\]") as caught:
        configure()

    assert isinstance(caught.value, MeteringError)
    assert isinstance(caught.value, ImportError)
    assert not isinstance(metrics.get_meter_provider(), MeterProvider)


@pytest.mark.parametrize(("value", "is_told"), [("delta", True), ("LowMemory", True), ("cumulative", False)])
def test_temporality_that_breaks_exact_totals_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
    collector: Collector,
    caplog: pytest.LogCaptureFixture,
    value: str,
    is_told: bool,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", value)

    configure()
    configure()

    assert caplog.text.count("need cumulative counters") == is_told


def test_instrumentations_that_are_installed_are_switched_on(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    django, logs = FakeInstrumentor(), FakeInstrumentor()
    monkeypatch.setitem(sys.modules, DJANGO, FakeInstrumentor.of("DjangoInstrumentor", django))
    monkeypatch.setitem(sys.modules, LOGGING, FakeInstrumentor.of("LoggingInstrumentor", logs))

    result = configure()

    assert (result.instruments_django, result.correlates_logs) == (True, True)
    assert (django.options, logs.options) == ([{}], [{"inject_trace_context": True}])


def test_instrumentation_of_the_host_is_left_alone(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    django = FakeInstrumentor()
    django.is_instrumented_by_opentelemetry = True
    monkeypatch.setitem(sys.modules, DJANGO, FakeInstrumentor.of("DjangoInstrumentor", django))

    result = configure()

    assert (result.instruments_django, django.options) == (False, [])


def test_django_is_left_alone_when_the_caller_says_so(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    django = FakeInstrumentor()
    monkeypatch.setitem(sys.modules, DJANGO, FakeInstrumentor.of("DjangoInstrumentor", django))

    assert configure(instrument_django=False).instruments_django is False
    assert django.options == []


@pytest.mark.parametrize("is_configured", [None, False, True])
def test_django_is_instrumented_only_where_it_has_settings(
    monkeypatch: pytest.MonkeyPatch, collector: Collector, caplog: pytest.LogCaptureFixture, is_configured: bool | None
) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    django_conf: Any = None
    if is_configured is not None:
        django_conf = ModuleType("django.conf")
        django_conf.settings = type("Settings", (), {"configured": is_configured})
    monkeypatch.setitem(sys.modules, "django.conf", django_conf)
    monkeypatch.setitem(sys.modules, DJANGO, FakeInstrumentor.of("DjangoInstrumentor", FakeInstrumentor()))

    result = configure()

    assert result.instruments_django is bool(is_configured)
    assert ("DJANGO_SETTINGS_MODULE is not set" in caplog.text) is not is_configured


class StuckProvider:
    """Does not come to an end until it is told to."""

    def __init__(self) -> None:
        self.is_released = threading.Event()

    def shutdown(self) -> None:
        self.is_released.wait(60)

    def add_metric_reader(self, reader: Any) -> None:
        """Never asked."""

    def remove_metric_reader(self, reader: Any) -> None:
        self.is_released.wait(60)


class FailingProvider:
    def shutdown(self) -> None:
        raise RuntimeError("the collector is gone")


def running_with(tracer_provider: Any) -> Any:
    running = bootstrap._Running(SignalState.CONFIGURED, SignalState.OFF)
    running.tracer_provider = tracer_provider
    return running


def test_shutdown_that_takes_too_long_is_told_and_not_repeated() -> None:
    stuck = StuckProvider()
    running = running_with(stuck)

    assert running.shutdown(0.01) is False
    stuck.is_released.set()
    assert running.shutdown(0.01) is True


def test_shutdown_that_fails_is_contained(caplog: pytest.LogCaptureFixture) -> None:
    assert running_with(FailingProvider()).shutdown(5.0) is True
    assert "the collector is gone" in caplog.text


def test_shutdown_without_configure_has_nothing_to_do() -> None:
    assert bootstrap.shutdown() is True


def test_forked_child_that_has_nothing_configured_is_left_alone() -> None:
    bootstrap._after_fork_in_child()

    assert bootstrap._running is None


def test_child_without_metrics_gets_an_instance_id(exporting_nothing: None) -> None:
    parent = configure(span_processors=[SimpleSpanProcessor(InMemorySpanExporter())])

    bootstrap._after_fork_in_child()

    child = configure()
    assert child.service_instance_id not in (None, parent.service_instance_id)


def test_child_without_traces_begins_its_metrics_anew(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    parent = configure()
    counter = metrics.get_meter("host").create_counter("done")
    counter.add(5)

    bootstrap._after_fork_in_child()
    counter.add(1)
    bootstrap.shutdown()

    child = configure()
    assert child.service_instance_id != parent.service_instance_id
    assert collector.counts("done") == {child.service_instance_id: 1 if CAN_FORGET else 6}


def test_child_takes_the_instance_id_that_the_sdk_gave_its_spans() -> None:
    running = running_with(
        type("Provider", (), {"resource": type("R", (), {"attributes": {"service.instance.id": "new"}})})
    )

    running.begin_anew()

    assert running.result.service_instance_id == "new"


@pytest.fixture
def _no_ticker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that is in no provider has nothing to collect."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "inf")


@pytest.mark.usefixtures("_no_ticker")
def test_reader_of_an_sdk_that_cannot_forget_says_so(caplog: pytest.LogCaptureFixture) -> None:
    reader = bootstrap._otlp_reader()

    reader.begin_anew(object(), "child")

    assert "cannot forget" in caplog.text


@pytest.mark.usefixtures("_no_ticker")
def test_reader_does_not_wait_for_a_lock_that_nobody_will_release(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bootstrap, "FORGETTING_TIMEOUT_S", 0.01)
    reader, stuck = bootstrap._otlp_reader(), StuckProvider()

    reader.begin_anew(stuck, "child")
    stuck.is_released.set()

    assert "the parent was collecting it just then" in caplog.text
