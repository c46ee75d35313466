"""Errors of metering stop, are counted, and are told once a minute."""

from __future__ import annotations

import logging

import pytest

from agentcore_metering.core import containment
from agentcore_metering.core.containment import contained, contained_counts


def test_contained_stops_and_counts_and_logs_the_first(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        with contained("telemetry"):
            raise RuntimeError("exporter gone")

    assert contained_counts() == {"telemetry": 3}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "exporter gone" in caplog.text


def test_contained_logs_again_after_a_minute(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(containment.time, "monotonic", lambda: now_s)
    for now_s in (1000.0, 1059.0, 1060.0):  # noqa: B007 - read by the lambda
        with contained("telemetry"):
            raise RuntimeError("exporter gone")

    assert len(caplog.records) == 2


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_contained_lets_interrupts_through(interrupt: type[BaseException]) -> None:
    with pytest.raises(interrupt), contained("telemetry"):
        raise interrupt
