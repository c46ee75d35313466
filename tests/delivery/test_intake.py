"""The ladder: journal, memory, log. The caller sees none of it."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.intake import Intake
from agentcore_metering.delivery.journal import Journal
from agentcore_metering.delivery.throttle import LogThrottle
from tests.delivery.builders import end_of, key_of, make_record, make_start, no_journal
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "spool")
    yield made
    made.close()


def make_intake(journal: Journal, clock: FakeClock, memory_records: int = 3) -> Intake:
    return Intake(journal, clock, LogThrottle(clock), memory_records)


def in_memory(intake: Intake) -> list[str]:
    return [key_of(record) for record in intake.peek(100)]


def break_disk(monkeypatch: pytest.MonkeyPatch, fault: int = errno.EIO) -> None:
    def refuse(fd: int, line: bytes, offset: int) -> int:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(os, "pwrite", refuse)


def test_record_goes_to_the_journal(journal: Journal, clock: FakeClock) -> None:
    intake = make_intake(journal, clock)

    intake.take_end(make_record())

    assert (journal.accepted, intake.accepted) == (1, 0)


def test_record_waits_in_memory_where_there_is_no_journal(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    intake = make_intake(no_journal(), clock)

    for key in "abc":
        intake.take_start(make_start(key))
        intake.take_end(make_record(key))

    assert in_memory(intake) == ["a", "b", "c"]
    assert intake.dropped == 0
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_record_over_the_bound_of_memory_is_told_whole(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    intake = make_intake(no_journal(), clock)

    for key in "abcde":
        intake.take_end(make_record(key))

    critical = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert in_memory(intake) == ["a", "b", "c"]
    assert intake.dropped == len(critical) == 2
    assert '"key":"d"' in critical[0]
    assert '"key":"e"' in critical[1]


def test_settled_records_make_room(clock: FakeClock) -> None:
    intake = make_intake(no_journal(), clock)
    for key in "abc":
        intake.take_end(make_record(key))

    intake.settle(intake.peek(2))
    intake.take_end(make_record("d"))

    assert in_memory(intake) == ["c", "d"]
    assert (intake.accepted, intake.settled) == (4, 2)


def test_broken_disk_is_left_alone_for_thirty_seconds(
    journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = make_intake(journal, clock, memory_records=10)
    break_disk(monkeypatch)
    intake.take_end(make_record("a"))
    monkeypatch.undo()

    clock.advance(29)
    intake.take_end(make_record("b"))
    clock.advance(2)
    intake.take_end(make_record("c"))

    assert in_memory(intake) == ["a", "b"]
    assert journal.accepted == 1


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_asked_again_after_a_second(
    journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    intake = make_intake(journal, clock, memory_records=10)
    break_disk(monkeypatch, fault)
    intake.take_end(make_record("a"))
    monkeypatch.undo()

    clock.advance(0.9)
    intake.take_end(make_record("b"))
    clock.advance(0.2)
    intake.take_end(make_record("c"))

    assert in_memory(intake) == ["a", "b"]
    assert journal.accepted == 1


def test_disk_that_stays_broken_is_told_once_a_minute(
    journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    intake = make_intake(journal, clock, memory_records=10)
    break_disk(monkeypatch)
    for _ in range(3):
        intake.take_end(make_record())
        clock.advance(31)

    assert len(caplog.records) == 2
    monkeypatch.undo()


def test_slow_disk_is_left_alone_for_thirty_seconds(
    journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = make_intake(journal, clock)
    append_end = journal.append_end

    def slow_append(record: AttemptRecord) -> None:
        append_end(record)
        clock.advance(1.5)

    monkeypatch.setattr(journal, "append_end", slow_append)

    intake.take_end(make_record("slow, but written"))
    intake.take_end(make_record("b"))

    assert journal.accepted == 1
    assert in_memory(intake) == ["b"]


def test_full_journal_is_tried_again_after_a_second(tmp_path: Path, clock: FakeClock) -> None:
    journal = Journal(tmp_path, segment_bytes=4096, max_bytes=4096)
    intake = make_intake(journal, clock, memory_records=100)
    while not in_memory(intake):
        intake.take_end(make_record())
    chunk = journal.read()
    assert chunk is not None
    journal.acknowledge(chunk)
    journal.close()

    intake.take_end(make_record())
    clock.advance(1)
    intake.take_end(make_record())

    assert intake.backlog == 2
    assert journal.accepted == 1
    journal.close()


def test_record_that_has_no_line_waits_in_memory(
    journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(record: AttemptRecord) -> None:
        raise TypeError("a bug")

    intake = make_intake(journal, clock)
    monkeypatch.setattr(journal, "append_end", fail)
    intake.take_end(make_record("a"))
    intake.take_end(make_record("b"))
    monkeypatch.undo()
    intake.take_end(make_record("c"))

    assert in_memory(intake) == ["a", "b"]
    assert journal.accepted == 1
    assert len(caplog.records) == 1


def test_start_is_kept_in_the_journal_until_its_record_is_out_of_memory(
    journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = make_intake(journal, clock)
    start = make_start()
    intake.take_start(start)
    break_disk(monkeypatch)
    intake.take_end(end_of(start))
    monkeypatch.undo()

    def drain() -> None:
        while chunk := journal.read():
            journal.acknowledge(chunk)

    drain()
    journal.append_end(make_record())
    drain()
    # Killed now, the call would still have a row, as interrupted: its start has not gone with its segment.
    assert any(b'"k":"s"' in path.read_bytes() for path in journal.directory.glob("*.jnl"))

    intake.settle(intake.peek(1))
    journal.close()
    assert not any(b'"k":"s"' in path.read_bytes() for path in journal.directory.glob("*.jnl"))


def test_give_up_puts_memory_to_the_journal(
    journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = make_intake(journal, clock)
    break_disk(monkeypatch)
    intake.take_end(make_record("a"))
    intake.take_end(make_record("b"))
    monkeypatch.undo()

    intake.give_up()

    assert journal.accepted == 2
    assert in_memory(intake) == []


def test_give_up_without_a_journal_tells_every_record(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    intake = make_intake(no_journal(), clock)
    intake.take_end(make_record("a"))
    intake.take_end(make_record("b"))
    caplog.clear()

    intake.give_up()

    assert intake.dropped == 2
    assert ['"key":"a"' in caplog.messages[0], '"key":"b"' in caplog.messages[1]] == [True, True]


def test_oldest_is_the_first_in_memory(clock: FakeClock) -> None:
    intake = make_intake(no_journal(), clock)
    assert intake.oldest() is None

    intake.take_end(make_record("a"))
    intake.take_end(make_record("b"))

    oldest = intake.oldest()
    assert oldest is not None
    assert key_of(oldest) == "a"
