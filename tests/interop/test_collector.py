"""Through a real OpenTelemetry Collector the same figures arrive; with a collector that does not work, calls do not notice."""

from __future__ import annotations

import functools
import gc
import http.server
import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from agentcore_metering.adapters.django import runtime
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.observer import TelemetryObserver
from example.stub_provider import StubProvider
from tests.equality import of_counters, of_rows, of_spans
from tests.mixes import make_mix, make_models, perform
from tests.telemetry import builders
from tests.telemetry.collector import Collector, collecting
from tests.telemetry.otlp import counter_points, spans_of

pytestmark = pytest.mark.django_db

OTELCOL = os.environ.get("OTELCOL_BIN", "")
CONFIG = Path(__file__).resolve().parents[2] / "otel" / "collector.yaml"
SLOWEST_CALL_S = 5.0
"""A bound that a busy machine keeps and a call that waits for an exporter, which is given 10 s for each try, does not."""
QUEUE, BATCH = 64, 16

needs_collector = pytest.mark.skipif(not OTELCOL, reason="needs an OpenTelemetry Collector (OTELCOL_BIN names one)")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    give_up_at_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_at_s, "it did not come to pass"
        time.sleep(0.05)


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running_collector(engine: str, *beside: Path) -> Iterator[str]:
    """The collector by the repository's own configuration and files beside it, which hands on to the address `engine`; where it takes OTLP."""
    port = free_port()
    environment = os.environ | {
        "METRICS_OTLP_ENDPOINT": f"{engine}/v1/metrics",
        "TRACES_OTLP_ENDPOINT": f"{engine}/v1/traces",
        "OTLP_BIND": "127.0.0.1",
        "OTLP_HTTP_PORT": str(port),
        "OTLP_GRPC_PORT": str(free_port()),
        "COLLECTOR_METRICS_PORT": str(free_port()),
    }
    files = [argument for file in (CONFIG, *beside) for argument in ("--config", str(file))]
    process = subprocess.Popen([OTELCOL, *files], env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or is_listening(port))
        assert process.poll() is None, "the collector did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def exporting_to(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """The meter of this process, with providers that export by OTLP as a host's do; what is left is sent at the end."""
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(
        BatchSpanProcessor(
            OTLPSpanExporter(f"{endpoint}/v1/traces", timeout=1),
            max_queue_size=QUEUE,
            max_export_batch_size=BATCH,
            schedule_delay_millis=50,
        )
    )
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{endpoint}/v1/metrics", timeout=1), 200)
    meter_provider = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(
        runtime, "TelemetryObserver", functools.partial(TelemetryObserver, tracer_provider, meter_provider)
    )
    yield tracer_provider
    tracer_provider.shutdown()
    meter_provider.shutdown()


@needs_collector
def test_the_repositorys_configuration_is_valid() -> None:
    subprocess.run([OTELCOL, "validate", "--config", str(CONFIG)], check=True, timeout=30)


@needs_collector
def test_tokens_and_cost_arrive_behind_a_real_collector(stub: StubProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    mix = make_mix(7, 16, make_models(stub))

    with collecting() as sink, running_collector(sink.endpoint) as endpoint:
        with exporting_to(endpoint, monkeypatch):
            for call in mix:
                perform(call)
        wait_until(lambda: len(list(spans_of(sink.traces, semconv.SCOPE_NAME))) >= len(mix))
        wait_until(lambda: _calls(sink) >= len(mix))

    rows = of_rows(LLMUsage.objects.all())
    assert of_spans(spans_of(sink.traces, semconv.SCOPE_NAME)) == rows
    assert of_counters(counter_points(sink.metrics)) == rows


def _calls(sink: Collector) -> int:
    return sum(value for _, value in counter_points(sink.metrics).get(semconv.CALLS, []))


@contextmanager
def away() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def slow() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def refusing() -> Iterator[str]:
    """Answers that it will take nothing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


TROUBLES = pytest.mark.parametrize("trouble", [away, slow, refusing], ids=lambda trouble: trouble.__wrapped__.__name__)


@TROUBLES
def test_calls_do_not_notice_a_collector_that_does_not_work_and_the_log_tells(
    stub: StubProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: Any
) -> None:
    mix = [call for call in make_mix(8, 24, make_models(stub)) if call.kind not in ("retried", "json_twice")]
    durations_s = []

    with trouble() as endpoint, exporting_to(endpoint, monkeypatch):
        for call in mix:
            started_s = time.monotonic()
            perform(call)
            durations_s.append(time.monotonic() - started_s)
        # Whether a flush worked says nothing: the SDK's own answer is True for batches that were given up.
        wait_until(lambda: _has_told(caplog))

    assert max(durations_s[1:]) < SLOWEST_CALL_S  # the first one imports LiteLLM
    assert LLMUsage.objects.count() == len(mix)


def _has_told(caplog: pytest.LogCaptureFixture) -> bool:
    records = (record for record in caplog.records if record.name.startswith("opentelemetry"))
    return any(record.levelno >= logging.WARNING for record in records)


@TROUBLES
def test_spans_that_nobody_takes_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch, trouble: Any) -> None:
    target = replace(builders.CHAT, request_model=f"model-{uuid4()}")

    with trouble() as endpoint, exporting_to(endpoint, monkeypatch) as tracer_provider:
        observer = TelemetryObserver(tracer_provider)
        for _ in range(QUEUE * 5):
            builders.observe(observer, builders.call(builders.attempt(target=target)))

        gc.collect()
        kept = [
            item
            for item in gc.get_objects()
            if issubclass(type(item), ReadableSpan) and item.name.endswith(target.request_model)
        ]
        # The queue, the batch under way, and the span in this frame.
        assert len(kept) <= QUEUE + BATCH + 1
