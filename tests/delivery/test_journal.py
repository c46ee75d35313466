"""This process's segments: what is appended is read back in order, stays until it is acknowledged, and then goes."""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agentcore_metering.delivery import journal as journal_module
from agentcore_metering.delivery.journal import Chunk, Journal, JournalBusy, JournalFull, SyncMode
from agentcore_metering.delivery.segment import Segment
from tests.delivery.builders import end_of, key_of, make_record, make_start

SMALL = 4096
"""Room for about seven records."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "spool", segment_bytes=SMALL)
    yield made
    made.close()


def segments(journal: Journal) -> list[str]:
    return sorted(path.name for path in journal.directory.iterdir())


def read_all(journal: Journal) -> list[str]:
    """Read and acknowledge everything; the records' keys."""
    keys = []
    while chunk := journal.read():
        keys += [key_of(record) for record in chunk.records]
        journal.acknowledge(chunk)
    return keys


def test_journal_makes_nothing_before_the_first_append(journal: Journal) -> None:
    assert journal.read() is None
    assert not journal.directory.exists()


def test_append_makes_a_directory_for_its_owner_alone(journal: Journal) -> None:
    journal.append_end(make_record())

    assert stat.S_IMODE(journal.directory.stat().st_mode) == 0o700


def test_open_directory_is_closed_to_others(journal: Journal) -> None:
    journal.directory.mkdir(mode=0o777)

    journal.append_end(make_record())

    assert stat.S_IMODE(journal.directory.stat().st_mode) == 0o700


def test_directory_that_is_a_link_is_refused(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    journal.directory.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(PermissionError, match="is no directory of user"):
        journal.append_end(make_record())


def test_directory_of_another_user_is_refused(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.directory.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)

    with pytest.raises(PermissionError, match="user 12345"):
        journal.append_end(make_record())


def test_records_are_read_in_order_over_many_segments(journal: Journal) -> None:
    keys = [f"{number:03d}" for number in range(100)]
    for key in keys:
        journal.append_end(make_record(key))

    assert len(segments(journal)) > 10
    assert read_all(journal) == keys
    assert len(segments(journal)) == 1


def test_read_gives_the_same_until_it_is_acknowledged(journal: Journal) -> None:
    journal.append_end(make_record("a"))

    first, again = journal.read(), journal.read()

    assert first == again
    assert first is not None
    journal.acknowledge(first)
    assert journal.read() is None


def test_counts_follow_append_and_acknowledge(journal: Journal) -> None:
    journal.append_end(make_record())
    journal.append_end(make_record())
    assert (journal.accepted, journal.settled) == (2, 0)

    read_all(journal)

    assert (journal.accepted, journal.settled) == (2, 2)
    assert journal.unread_bytes == 0


def test_line_larger_than_a_segment_gets_one_that_fits(journal: Journal) -> None:
    record = make_record("big", notes={"blob": "x" * 3 * SMALL})

    journal.append_end(record)

    assert read_all(journal) == ["big"]


def test_append_over_the_limit_of_all_segments_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=SMALL, max_bytes=3 * SMALL)
    other = Journal(tmp_path, segment_bytes=SMALL, max_bytes=3 * SMALL)
    other.append_end(make_record())

    def append_many() -> None:
        for _ in range(100):
            journal.append_end(make_record())

    with pytest.raises(JournalFull, match=r"the limit is 12288"):
        append_many()

    assert len(segments(journal)) == 3
    assert len(read_all(journal)) == journal.accepted < 100
    journal.append_end(make_record("there is room again"))
    journal.close()
    other.close()


def test_refused_large_line_leaves_room_for_a_small_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=SMALL, max_bytes=SMALL)
    journal.append_end(make_record("a"))

    with pytest.raises(JournalFull):
        journal.append_end(make_record(notes={"blob": "x" * SMALL}))
    journal.append_end(make_record("b"))

    assert read_all(journal) == ["a", "b"]
    journal.close()


def test_segment_with_an_attempt_under_way_goes_once_its_start_is_carried_on(journal: Journal) -> None:
    start = make_start("slow")
    journal.append_start(start)
    first = segments(journal)[0]
    for _ in range(20):
        journal.append_end(make_record())
    read_all(journal)

    assert first not in segments(journal)
    assert b"slow" in b"".join(path.read_bytes() for path in journal.directory.iterdir())

    journal.append_end(end_of(start))
    assert read_all(journal) == ["slow"]


def test_segment_with_too_many_attempts_under_way_stays_until_they_end(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "MAX_CARRIED", 1)
    starts = [make_start("slow"), make_start("slower")]
    for start in starts:
        journal.append_start(start)
    first = segments(journal)[0]
    for _ in range(20):
        journal.append_end(make_record())

    read_all(journal)
    assert first in segments(journal)

    journal.forget(starts[0].id)
    read_all(journal)
    journal.append_end(make_record())
    read_all(journal)
    assert first not in segments(journal)


def test_failed_append_ends_the_segment_and_the_next_goes_to_a_new_one(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append_end(make_record("a"))
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, line, offset: pwrite(fd, line[:100], offset))
    with pytest.raises(OSError, match="only 100 of"):
        journal.append_end(make_record("torn"))
    monkeypatch.setattr(os, "pwrite", pwrite)

    journal.append_end(make_record("b"))

    assert read_all(journal) == ["a", "b"]
    assert [name for name in segments(journal) if name.endswith(".corrupt")] != []
    assert (journal.accepted, journal.settled) == (2, 2)


def test_damaged_own_line_does_not_leave_a_debt(journal: Journal) -> None:
    for key in "abc":
        journal.append_end(make_record(key))
    (path,) = journal.directory.iterdir()
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(content.index(b'"key":"b"'))
        file.write(b"X")

    assert read_all(journal) == ["a", "c"]
    assert (journal.accepted, journal.settled) == (3, 3)


def test_unreadable_segment_is_left_to_others_and_the_next_is_read(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        journal.append_end(make_record(str(number)))
    pread = os.pread

    def broken_pread(fd: int, length: int, offset: int) -> bytes:
        raise OSError(5, "input/output error")

    monkeypatch.setattr(os, "pread", broken_pread)
    with pytest.raises(OSError, match="input/output"):
        journal.read()
    monkeypatch.setattr(os, "pread", pread)

    assert read_all(journal)[-1] == "9"
    assert journal.settled == journal.accepted
    left = Segment.adopt(journal.directory / segments(journal)[0])
    assert left is not None
    left.close()


def test_removed_directory_is_made_again_and_nothing_is_lost(journal: Journal) -> None:
    journal.append_end(make_record("a"))
    for path in journal.directory.iterdir():
        path.unlink()
    journal.directory.rmdir()

    journal.check()
    journal.append_end(make_record("b"))

    assert len(segments(journal)) == 1
    assert read_all(journal) == ["a", "b"]


def test_oldest_unread_is_when_its_attempt_ended(journal: Journal) -> None:
    assert journal.oldest_unread() is None
    record = make_record()
    journal.append_start(make_start())
    journal.append_end(record)

    assert journal.oldest_unread() == record.ended_at


def test_close_removes_what_is_delivered(journal: Journal) -> None:
    journal.append_end(make_record())
    read_all(journal)

    journal.close()

    assert segments(journal) == []


@pytest.mark.parametrize("is_delivered", [True, False], ids=["under way", "not delivered"])
def test_close_leaves_the_rest_to_others(journal: Journal, is_delivered: bool) -> None:
    journal.append_start(make_start())
    if is_delivered:
        read_all(journal)

    journal.close()

    (name,) = segments(journal)
    adopted = Segment.adopt(journal.directory / name)
    assert adopted is not None
    adopted.close()


def test_append_after_close_begins_anew(journal: Journal) -> None:
    journal.append_end(make_record("a"))
    journal.close()

    journal.append_end(make_record("b"))

    assert read_all(journal) == ["b"]


@pytest.mark.parametrize(("mode", "times"), [(SyncMode.ALWAYS, 2), (SyncMode.INTERVAL, 0), (SyncMode.OFF, 0)])
def test_sync_mode_says_when_an_append_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: SyncMode, times: int
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    journal = Journal(tmp_path, sync_mode=mode)

    journal.append_end(make_record())
    journal.append_end(make_record())

    assert len(synced) == times
    journal.sync()
    assert len(synced) == max(times, 1)
    journal.close()


def test_sync_tells_of_a_disk_that_refuses(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int) -> None:
        raise OSError(5, "input/output error")

    journal.append_end(make_record())
    monkeypatch.setattr(os, "fdatasync", refuse)

    with pytest.raises(OSError, match="input/output"):
        journal.sync()


def test_append_does_not_wait_for_ever_for_another_threads(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    class Held:
        def acquire(self, timeout: float) -> bool:
            return False

    monkeypatch.setattr(journal, "_lock", Held())

    with pytest.raises(JournalBusy, match="came back within"):
        journal.append_end(make_record())
    monkeypatch.undo()


def test_append_in_a_signal_handler_during_an_append_loses_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle(number: int, frame: Any) -> None:
        for key in "xyz" * 5:
            journal.append_end(make_record(key))

    pwrite, create = os.pwrite, Segment.create
    is_armed = True

    def signal_once() -> None:
        nonlocal is_armed
        if is_armed:
            is_armed = False
            signal.raise_signal(signal.SIGUSR1)

    def create_with_signal(path: Path, capacity: int) -> Segment:
        made = create(path, capacity)
        signal_once()
        return made

    def pwrite_with_signal(fd: int, line: bytes, offset: int) -> int:
        signal_once()
        return pwrite(fd, line, offset)

    previous = signal.signal(signal.SIGUSR1, handle)
    try:
        monkeypatch.setattr(Segment, "create", create_with_signal)
        journal.append_end(make_record("a"))
        is_armed = True
        monkeypatch.setattr(os, "pwrite", pwrite_with_signal)
        journal.append_end(make_record("b"))
    finally:
        signal.signal(signal.SIGUSR1, previous)
        monkeypatch.undo()

    assert sorted(read_all(journal)) == sorted("ab" + "xyz" * 10)


def test_fork_that_calls_no_hooks_is_noticed_at_the_next_append(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append_end(make_record("the parent's"))
    (inherited,) = segments(journal)
    monkeypatch.setattr(os, "getpid", lambda: 4_194_305)

    journal.append_end(make_record("the child's"))

    assert read_all(journal) == ["the child's"]
    assert inherited in segments(journal)


def test_fork_goes_on_in_the_parent(journal: Journal) -> None:
    journal.before_fork()
    journal.after_fork_in_parent()

    worker = threading.Thread(target=lambda: journal.append_end(make_record("another thread's")))
    worker.start()
    worker.join()

    assert read_all(journal) == ["another thread's"]


def test_fork_does_not_wait_for_ever_for_an_append(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "LOCK_WAIT_S", 0.01)
    is_held, may_go_on = threading.Event(), threading.Event()

    def hang() -> None:
        with journal._locked():
            is_held.set()
            may_go_on.wait(10)

    worker = threading.Thread(target=hang)
    worker.start()
    is_held.wait(10)
    journal.before_fork()
    journal.after_fork_in_parent()
    may_go_on.set()
    worker.join()

    journal.append_end(make_record("a"))
    assert read_all(journal) == ["a"]


def test_start_that_cannot_be_carried_on_keeps_its_segment(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=SMALL, max_bytes=SMALL)
    start = make_start("slow")
    journal.append_start(start)
    with suppress(JournalFull):
        for _ in range(100):
            journal.append_end(make_record())
    journal._segments[0].is_full = True

    read_all(journal)

    assert b"slow" in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    journal.close()


def test_sync_of_a_segment_that_is_delivered_meanwhile_is_no_error(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deliver_and_fail(fd: int) -> None:
        journal.close()
        raise OSError(9, "bad file descriptor")

    journal.append_end(make_record())
    monkeypatch.setattr(os, "fdatasync", deliver_and_fail)

    journal.sync()


def test_handler_that_ends_segments_while_segments_end_takes_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, segment_bytes=SMALL)
    for number in range(30):
        journal.append_end(make_record(str(number)))
    chunks = [Chunk(segment, segment.end, (), 0) for segment in journal._segments]
    for chunk in chunks[:-1]:
        chunk.segment.delivered = chunk.end
    retire = Segment.retire

    def retire_and_be_interrupted(segment: Segment) -> None:
        retire(segment)
        journal._retire_delivered()

    monkeypatch.setattr(Segment, "retire", retire_and_be_interrupted)
    journal.acknowledge(chunks[-1])

    assert len(list(tmp_path.glob("*.jnl"))) == 1
    journal.close()
