"""A sweep comes to an end, says which one, and leaves nothing that it could deliver."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentcore_metering.core.types import Status
from agentcore_metering.delivery.journal import Journal
from agentcore_metering.delivery.survey import SpoolSurvey
from agentcore_metering.delivery.sweep import SweepOutcome, SweepReport, sweep
from tests.delivery.builders import MemoryStore, end_of, leave_behind, make_record, make_start
from tests.fakes import FakeClock


class WakingStore(MemoryStore):
    """Comes back after so many attempts."""

    refuses = 0

    def write(self, records):  # type: ignore[no-untyped-def]  # as its parent's
        self.is_down = self.refuses > 0
        self.refuses -= 1
        super().write(records)


@pytest.fixture
def clock() -> FakeClock:
    clock = FakeClock()
    clock.advance(60)
    return clock


@pytest.fixture
def store() -> WakingStore:
    return WakingStore()


def run(directory: Path, store: MemoryStore, clock: FakeClock, timeout_s: float = 5.0) -> SweepReport:
    return sweep(directory, store, timeout_s, clock=clock)


def test_sweep_of_an_empty_spool_is_done_at_once(tmp_path: Path, store: MemoryStore, clock: FakeClock) -> None:
    report = run(tmp_path / "nowhere", store, clock)

    assert (report.outcome, report.written, clock.slept_s) == (SweepOutcome.EMPTY, 0, [])


def test_sweep_delivers_the_dead_and_the_idle(tmp_path: Path, store: MemoryStore, clock: FakeClock) -> None:
    leave_behind(tmp_path, *[make_record() for _ in range(20)], make_start("cut off"))
    idle = Journal(tmp_path)
    idle.append_start(make_start("under way"))
    idle.append_end(make_record("idle"))

    report = run(tmp_path, store, clock)

    assert (report.outcome, report.written, report.interrupted, report.relieved_records) == (0, 22, 1, 1)
    assert (report.left.records, report.left.orphaned_segments, report.reason) == (0, 0, None)
    assert sorted({record.status for record in store.rows.values()}) == [Status.INTERRUPTED, Status.SUCCEEDED]
    idle.close()


def test_sweep_does_not_wait_for_what_comes_later(tmp_path: Path, store: MemoryStore) -> None:
    clock = FakeClock()  # the record will have ended a second after the sweep began
    busy = Journal(tmp_path)
    busy.append_end(make_record())

    report = run(tmp_path, store, clock)

    assert (report.outcome, report.left.records) == (SweepOutcome.EMPTY, 1)
    busy.close()


def test_sweep_waits_for_a_database_that_comes_back(tmp_path: Path, store: WakingStore, clock: FakeClock) -> None:
    leave_behind(tmp_path, make_record())
    store.refuses = 3

    report = run(tmp_path, store, clock)

    assert (report.outcome, report.written, report.reason) == (SweepOutcome.EMPTY, 1, None)
    assert len(clock.slept_s) == 3


def test_sweep_says_that_the_database_is_away(tmp_path: Path, store: WakingStore, clock: FakeClock) -> None:
    leave_behind(tmp_path, make_record())
    store.refuses = 10_000
    seen: list[SpoolSurvey] = []

    report = sweep(tmp_path, store, 2.0, clock=clock, on_pass=seen.append)

    assert (report.outcome, report.reason) == (SweepOutcome.DATABASE_AWAY, "no route to host")
    assert report.left.records == 1
    assert sum(clock.slept_s) == pytest.approx(2.0)
    assert [left.records for left in seen] == [1] * len(clock.slept_s)


def test_sweep_says_that_something_is_left(tmp_path: Path, store: MemoryStore, clock: FakeClock) -> None:
    stuck = Journal(tmp_path)
    stuck.append_end(make_record())
    (path,) = tmp_path.glob("*.jnl")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"0", b"1", 3))  # the line's checksum is wrong, and its process lives

    report = run(tmp_path, store, clock, timeout_s=1.0)

    assert report.outcome in (SweepOutcome.LEFT, SweepOutcome.EMPTY)
    stuck.close()


def test_end_of_an_interrupted_attempt_wins_whoever_delivers_it(
    tmp_path: Path, store: MemoryStore, clock: FakeClock
) -> None:
    start = make_start()
    leave_behind(tmp_path, start)
    run(tmp_path, store, clock)
    leave_behind(tmp_path, end_of(start))

    run(tmp_path, store, clock)

    assert [record.status for record in store.rows.values()] == [Status.SUCCEEDED]
