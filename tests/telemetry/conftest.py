"""Fixtures of the telemetry tests. Providers are passed explicitly; the global ones are never set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentcore_metering.telemetry import semconv
from tests.telemetry.recording import RecordedTelemetry, record_telemetry


@pytest.fixture(autouse=True)
def _no_opt_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(semconv.STABILITY_OPT_IN_ENV, raising=False)


@pytest.fixture
def telemetry() -> Iterator[RecordedTelemetry]:
    recorded = record_telemetry()
    yield recorded
    recorded.close()
