"""Owns the process that is measured: Django on a database of its own, an OpenTelemetry SDK that exports to the sink, a configuration."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.postgres import running_cluster

__all__ = ["KEY", "MODEL", "flush_telemetry", "flush_with", "running_host"]

KEY = "benchmark-key-of-nobody"
MODEL = "gpt-4o-mini"
EXPORT_INTERVAL_MS = 60_000

_flushes: list[Callable[[], Any]] = []


@contextmanager
def running_host(address: str, database: str, *, has_sdk: bool) -> Iterator[None]:
    """Django set up on `database` (`sqlite` or `postgresql`) with its tables, and the SDK where it is wanted. Once in a process.

    Both are the benchmark's and are gone after the block.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="metering-overhead-")))
        url = (
            stack.enter_context(running_cluster()).url
            if database == "postgresql"
            else f"sqlite:///{directory / 'db.sqlite3'}"
        )
        os.environ |= {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "DATABASE_URL": url,
            "SPOOL_DIR": str(directory / "spool"),
            "STUB_URL": address,
        }
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        stack.callback(connections.close_all)
        call_command("migrate", verbosity=0)
        _configure_model(address)
        if has_sdk:
            _configure_sdk(address)
        yield
        from agentcore_metering.adapters.django import runtime

        runtime.reset()
        _shut_down_sdk()


def flush_telemetry() -> None:
    """Export everything that the SDK still holds, as its intervals would."""
    for flush in _flushes:
        flush()


def _shut_down_sdk() -> None:
    """While there is a sink, which the last export of a process would miss."""
    from opentelemetry import metrics, trace

    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        if hasattr(provider, "shutdown"):
            provider.shutdown()


def flush_with(flush: Callable[[], Any]) -> None:
    """Have `flush` called by `flush_telemetry`, too."""
    _flushes.append(flush)


def _configure_model(address: str) -> None:
    from agentcore_metering.adapters.django.models import LLMConfig

    config = {"model": MODEL, "api_key": KEY, "api_base": f"{address}/v1"}
    LLMConfig.objects.create(scope="global", provider="openai", config=config)


def _configure_sdk(address: str) -> None:
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracing = TracerProvider()
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{address}/otlp/traces")))
    trace.set_tracer_provider(tracing)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{address}/otlp/metrics"), EXPORT_INTERVAL_MS)
    metering = MeterProvider([reader])
    metrics.set_meter_provider(metering)
    _flushes.extend((tracing.force_flush, metering.force_flush))
