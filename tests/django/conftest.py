"""Fixtures of the Django tests: a stub provider on a real socket, a meter that records its telemetry, nothing left over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentcore_metering.adapters.django import runtime
from agentcore_metering.core import containment
from example.stub_provider import StubProvider
from tests.telemetry.recording import RecordedTelemetry, record_telemetry


@pytest.fixture(autouse=True)
def _fresh_meter() -> Iterator[None]:
    runtime.reset()
    containment.reset()
    yield
    runtime.reset()
    assert containment.contained_counts() == {}, "metering hid an error of its own"


@pytest.fixture(scope="session")
def _running_stub() -> Iterator[StubProvider]:
    with StubProvider() as stub:
        yield stub


@pytest.fixture
def stub(_running_stub: StubProvider) -> StubProvider:
    _running_stub.clear()
    return _running_stub


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedTelemetry]:
    """What the meter of this test sends, by providers of its own."""
    recorded = record_telemetry()
    monkeypatch.setattr(runtime, "TelemetryObserver", lambda: recorded.observer)
    yield recorded
    recorded.close()
