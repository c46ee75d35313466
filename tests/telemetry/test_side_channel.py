"""The side-channel's metrics are read when they are collected, by each process its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import Gauge, Sum

from agentcore_metering.core import containment
from agentcore_metering.core.containment import contained
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.side_channel import SAME_COLLECTION_S, observe_side_channel
from tests.fakes import FakeClock
from tests.telemetry.recording import RecordedTelemetry

REASON, PART = semconv.FAILURE_REASON, semconv.CONTAINED_PART


@dataclass
class Figures:
    backlog_records: int = 3
    backlog_bytes: int = 1800
    oldest_age_s: float | None = 2.5
    written: int = 40
    repaired: int = 2
    quarantined: int = 1
    dropped: int = 5
    interrupted: int = 4
    faults: Mapping[Any, int] = field(default_factory=lambda: {"journal_full": 7, "rows_rejected": 1})


class Reading:
    """Gives figures and counts how often it was asked."""

    def __init__(self, figures: Figures | None) -> None:
        self.figures = figures
        self.count = 0

    def __call__(self) -> Figures | None:
        self.count += 1
        return self.figures


@pytest.fixture(autouse=True)
def _one_contained_error() -> Iterator[None]:
    containment.reset()
    with contained("journal"):
        raise RuntimeError("a fault of metering's own")
    yield
    containment.reset()


_kept: list[object] = []


def observed(telemetry: RecordedTelemetry, reading: Any, clock: FakeClock | None = None) -> None:
    _kept[:] = observe_side_channel(reading, telemetry.meter_provider, clock or FakeClock())


def test_every_instrument_is_emitted_as_registered(telemetry: RecordedTelemetry) -> None:
    observed(telemetry, Reading(Figures()))

    emitted = {
        name: (
            semconv.InstrumentKind.OBSERVED_GAUGE
            if isinstance(metric.data, Gauge)
            else semconv.InstrumentKind.OBSERVED_COUNTER,
            metric.unit,
            metric.description,
            {attribute for point in metric.data.data_points for attribute in point.attributes or {}},
        )
        for name, metric in telemetry.metrics().items()
    }

    assert emitted == {
        i.name: (i.kind, i.unit, i.description, {*i.attributes}) for i in semconv.SIDE_CHANNEL_INSTRUMENTS
    }


def test_figures_are_reported_as_they_are(telemetry: RecordedTelemetry) -> None:
    observed(telemetry, Reading(Figures()))

    points = telemetry.points()

    assert {name: values[0][1] for name, values in points.items() if values[0][0] == {}} == {
        semconv.SPOOL_RECORDS: 3,
        semconv.SPOOL_SIZE: 1800,
        semconv.SPOOL_OLDEST_AGE: 2.5,
        semconv.SPOOL_WRITTEN: 40,
        semconv.SPOOL_REPAIRED: 2,
        semconv.SPOOL_QUARANTINED: 1,
        semconv.SPOOL_DROPPED: 5,
        semconv.SPOOL_INTERRUPTED: 4,
    }
    assert points[semconv.PERSIST_FAILURES] == [({REASON: "journal_full"}, 7), ({REASON: "rows_rejected"}, 1)]
    assert points[semconv.CONTAINED_ERRORS] == [({PART: "journal"}, 1)]


def test_counters_are_monotonic_sums(telemetry: RecordedTelemetry) -> None:
    observed(telemetry, Reading(Figures()))

    counters = [metric.data for metric in telemetry.metrics().values() if isinstance(metric.data, Sum)]

    assert len(counters) == 7
    assert all(counter.is_monotonic for counter in counters)


def test_one_collection_reads_once_and_the_next_one_anew(telemetry: RecordedTelemetry) -> None:
    reading, clock = Reading(Figures()), FakeClock()
    observed(telemetry, reading, clock)
    clock.advance(10)

    telemetry.points()
    assert reading.count == 1
    clock.advance(SAME_COLLECTION_S + 0.1)
    reading.figures = Figures(written=41)
    assert telemetry.points()[semconv.SPOOL_WRITTEN] == [({}, 41)]


def test_nothing_waits_is_an_age_of_zero(telemetry: RecordedTelemetry) -> None:
    observed(telemetry, Reading(Figures(backlog_records=0, oldest_age_s=None)))

    assert telemetry.points()[semconv.SPOOL_OLDEST_AGE] == [({}, 0.0)]


def test_process_without_a_journal_reports_contained_errors_alone(telemetry: RecordedTelemetry) -> None:
    observed(telemetry, Reading(None))

    assert telemetry.points() == {semconv.CONTAINED_ERRORS: [({PART: "journal"}, 1)]}


def test_reading_that_fails_is_contained(telemetry: RecordedTelemetry) -> None:
    def fail() -> Figures:
        raise OSError("no such directory")

    observed(telemetry, fail)

    assert telemetry.points() == {semconv.CONTAINED_ERRORS: [({PART: "journal"}, 1), ({PART: "telemetry"}, 1)]}


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_forked_child_reads_its_own_figures(telemetry: RecordedTelemetry) -> None:
    pid_of_parent = os.getpid()
    clock = FakeClock()
    clock.advance(10)
    observed(telemetry, lambda: Figures(written=40 if os.getpid() == pid_of_parent else 0), clock)
    assert telemetry.points()[semconv.SPOOL_WRITTEN] == [({}, 40)]

    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        points = telemetry.points()
        is_own = points[semconv.SPOOL_WRITTEN] == [({}, 0)] and semconv.CONTAINED_ERRORS not in points
        os._exit(0 if is_own else 1)

    assert os.waitpid(pid, 0)[1] == 0
