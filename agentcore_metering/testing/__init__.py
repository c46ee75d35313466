"""A pytest plugin for hosts: `pytest_plugins = ["agentcore_metering.testing"]`. Answers without a network, and what came of a call.

Owns the fixtures `fake_llm`, `metering_calls` and `metering_telemetry`, and that every test writes its rows inline and begins with a
meter of its own. It needs pytest, and a host whose tests set Django up, as pytest-django does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agentcore_metering.core.clock import SystemClock
from agentcore_metering.core.ports import CallObserver
from agentcore_metering.core.types import CallRecord
from agentcore_metering.testing.observing import MeteringTelemetry, Observers, Recorder
from agentcore_metering.testing.scripted import MODEL, FakeLLM

__all__ = ["FakeLLM", "MeteringTelemetry", "fake_llm", "metering_calls", "metering_telemetry"]

RUNTIME = "agentcore_metering.adapters.django.runtime"
FAKE_CONFIG = {"provider": "openai", "config": {"model": MODEL, "api_key": "fake-key-of-no-provider"}}


@pytest.fixture
def fake_llm() -> Iterator[FakeLLM]:
    """Answers without a network. Where nothing is configured, calls find a configuration for `gpt-4o-mini`."""
    from django.test import override_settings

    from agentcore_metering.adapters.django.conf import legacy_llm_settings, metering_settings

    fake = FakeLLM()
    is_configured = metering_settings.LLM is not None or legacy_llm_settings() is not None
    settings = {} if is_configured else {"AGENTCORE_METERING_LLM": FAKE_CONFIG}
    with override_settings(**settings), _replaced(backend=fake, clock=_PatientClock()):
        yield fake


@pytest.fixture
def metering_calls() -> Iterator[list[CallRecord]]:
    """The calls of this test that have ended, in order, with their attempts, usage and cost."""
    records: list[CallRecord] = []
    with _replaced_observer(lambda before: Observers([before, Recorder(records)])):
        yield records


@pytest.fixture
def metering_telemetry() -> Iterator[MeteringTelemetry]:
    """The spans and metrics of this test's calls; the test is skipped where OpenTelemetry's SDK is not installed."""
    pytest.importorskip("opentelemetry.sdk", reason="needs OpenTelemetry's SDK: the extra otel")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from agentcore_metering.telemetry.observer import TelemetryObserver

    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    with _replaced_observer(lambda before: Observers([TelemetryObserver(tracers, meters), before])):
        yield MeteringTelemetry(exporter, reader)
    tracers.shutdown()
    meters.shutdown()


@pytest.fixture(autouse=True, scope="session")
def _metering_writes_inline() -> Iterator[None]:
    """So that a test's rows are there when its call returns, and go with its transaction."""
    from django.conf import settings
    from django.test import override_settings

    if not settings.configured:
        yield
        return
    with override_settings(AGENTCORE_METERING_WRITE_MODE="inline"):
        yield


@pytest.fixture(autouse=True)
def _metering_of_its_own() -> Iterator[None]:
    """So that no test sees configurations or prices that the meter of another one has kept."""
    yield
    runtime = sys.modules.get(RUNTIME)
    if runtime is not None:
        runtime.reset()


@contextmanager
def _replaced(**services: Any) -> Iterator[None]:
    from agentcore_metering.adapters.django.runtime import services_replaced

    with services_replaced(**services):
        yield


@contextmanager
def _replaced_observer(make: Callable[[CallObserver], CallObserver]) -> Iterator[None]:
    from agentcore_metering.adapters.django.runtime import get_metering

    with _replaced(observer=make(get_metering().services.observer)):
        yield


class _PatientClock(SystemClock):
    """Lets no test wait for a retry."""

    def sleep(self, delay_s: float) -> None:
        """Nothing."""

    async def asleep(self, delay_s: float) -> None:
        """Nothing."""
