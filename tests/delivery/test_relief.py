"""What living processes leave lying is delivered in their place, once, and they learn of it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from agentcore_metering.core.types import AttemptRecord, Status
from agentcore_metering.delivery.adoption import Adopter
from agentcore_metering.delivery.journal import Journal
from agentcore_metering.delivery.relief import IDLE_AFTER_S, Relief
from agentcore_metering.delivery.segment import Segment
from agentcore_metering.delivery.store import StoreUnavailable
from agentcore_metering.delivery.survey import survey
from agentcore_metering.delivery.throttle import LogThrottle
from tests.delivery.builders import SMALL, MemoryStore, leave_behind, make_record, make_start
from tests.fakes import FakeClock

LATER_S = 60.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def relief(tmp_path: Path, clock: FakeClock) -> Relief:
    clock.advance(LATER_S)
    return Relief(tmp_path, clock, LogThrottle(clock))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def fill(journal: Journal, count: int) -> None:
    for number in range(count):
        start = make_start(str(number))
        journal.append_start(start)
        journal.append_end(make_record(str(number), id=start.id))


def test_relief_delivers_what_a_living_process_leaves_lying(relief: Relief, store: MemoryStore, tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=SMALL)
    fill(journal, 30)

    assert relief.relieve(store.write) == 30

    assert len(store.rows) == 30
    assert survey(tmp_path).records == 0
    assert relief.relieve(store.write) == 0
    journal.close()


def test_relief_leaves_a_record_to_its_process_for_two_seconds(store: MemoryStore, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    record = make_record()
    journal.append_end(record)
    clock = FakeClock()
    clock.advance((record.ended_at - clock.now()).total_seconds() + IDLE_AFTER_S - 0.01)
    relief = Relief(tmp_path, clock, LogThrottle(clock))

    assert relief.relieve(store.write) == 0
    clock.advance(0.02)
    assert relief.relieve(store.write) == 1
    journal.close()


def test_relief_leaves_the_dead_to_those_who_adopt(relief: Relief, store: MemoryStore, tmp_path: Path) -> None:
    leave_behind(tmp_path, make_record())

    assert relief.relieve(store.write) == 0


def test_relieved_process_that_delivers_after_all_makes_no_second_row(
    relief: Relief, store: MemoryStore, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    fill(journal, 5)
    relief.relieve(store.write)

    chunk = journal.read()
    assert chunk is not None
    store.write(chunk.records)
    journal.acknowledge(chunk)

    assert len(store.rows) == 5
    assert (journal.unread_bytes, journal.settled) == (0, 5)
    journal.close()


def test_relieved_process_gives_up_its_delivered_segments_when_it_begins_a_new_one(
    relief: Relief, store: MemoryStore, tmp_path: Path
) -> None:
    journal = Journal(tmp_path, segment_bytes=2 * SMALL)
    for _ in range(10):
        fill(journal, 10)
        relief.relieve(store.write)

    # Without the acknowledgements from outside there would be a segment for every few records.
    assert len(list(tmp_path.glob("*.jnl"))) <= 4
    assert len(store.rows) == 100
    assert 0 <= journal.accepted - journal.settled <= 20
    journal.close()


def test_relief_stops_before_a_line_that_is_just_being_written(
    relief: Relief, store: MemoryStore, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    fill(journal, 2)
    (path,) = tmp_path.glob("*.jnl")
    end = path.read_bytes().rstrip(b"\0")
    with path.open("r+b") as file:
        file.seek(len(end))
        file.write(b'0badc0de {"v":1,"k":"e","half')

    assert relief.relieve(store.write) == 2
    assert relief.relieve(store.write) == 0
    assert len(store.rows) == 2
    journal.close()


def test_outage_leaves_everything_as_it_is(relief: Relief, store: MemoryStore, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    fill(journal, 3)
    store.is_down = True

    with pytest.raises(StoreUnavailable):
        relief.relieve(store.write)

    assert survey(tmp_path).records == 3
    journal.close()


def test_segment_that_cannot_be_read_is_told_and_passed_over(
    relief: Relief,
    store: MemoryStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal = Journal(tmp_path)
    fill(journal, 1)

    def fail(self: Segment) -> bytes:
        raise OSError("input/output error")

    monkeypatch.setattr(Segment, "read_undelivered", fail)

    assert relief.relieve(store.write) == 0
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    journal.close()


@pytest.mark.parametrize("may_acknowledge", [True, False])
def test_view_of_what_is_no_segment_is_none(tmp_path: Path, may_acknowledge: bool) -> None:
    assert Segment.view(tmp_path / "gone.jnl", may_acknowledge=may_acknowledge) is None
    fifo = tmp_path / "fifo.jnl"
    os.mkfifo(fifo)
    opened = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)  # so that nobody waits for a writer
    assert Segment.view(fifo, may_acknowledge=may_acknowledge) is None
    os.close(opened)


def test_segment_that_goes_meanwhile_is_passed_over(
    relief: Relief, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    fill(journal, 1)
    monkeypatch.setattr(Segment, "view", lambda path, may_acknowledge: None)

    assert relief.relieve(store.write) == 0
    journal.close()


def test_starts_alone_are_acknowledged_and_not_delivered(relief: Relief, store: MemoryStore, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    start = make_start()
    journal.append_start(start)

    assert relief.relieve(store.write) == 0
    journal.after_fork_in_child()  # the process dies

    adopted: list[AttemptRecord] = []
    Adopter(Journal(tmp_path), LogThrottle(FakeClock())).adopt(adopted.extend)
    assert [(record.id, record.status) for record in adopted] == [(start.id, Status.INTERRUPTED)]
