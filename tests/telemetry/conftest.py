"""Fixtures of the telemetry tests. Providers are passed explicitly; the global ones are never set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentcore_metering.core import containment
from agentcore_metering.telemetry import semconv
from tests.telemetry.recording import RecordedLogs, RecordedTelemetry, record_logs, record_telemetry


@pytest.fixture(autouse=True)
def _no_opt_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(semconv.STABILITY_OPT_IN_ENV, raising=False)
    monkeypatch.delenv(semconv.CAPTURE_CONTENT_ENV, raising=False)


@pytest.fixture(autouse=True)
def _nothing_contained() -> Iterator[None]:
    """A fault that one test has made is told once a minute, and the next one may want to see it told."""
    containment.reset()
    yield
    containment.reset()


@pytest.fixture
def telemetry() -> Iterator[RecordedTelemetry]:
    recorded = record_telemetry()
    yield recorded
    recorded.close()


@pytest.fixture
def logs() -> Iterator[RecordedLogs]:
    recorded = record_logs()
    yield recorded
    recorded.provider.shutdown()
