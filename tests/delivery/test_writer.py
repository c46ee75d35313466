"""The side-channel as a whole, in one process."""

from __future__ import annotations

import gc
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agentcore_metering.core.containment import contained_counts
from agentcore_metering.core.types import AttemptRecord, AttemptStart, CallContext
from agentcore_metering.delivery import drain as drain_module
from agentcore_metering.delivery.faults import Fault
from agentcore_metering.delivery.journal import Journal, SyncMode
from agentcore_metering.delivery.store import StoreUnavailable
from agentcore_metering.delivery.writer import Writer
from tests.delivery.builders import (
    STARTED_AT,
    MemoryStore,
    end_of,
    key_of,
    make_record,
    make_start,
    no_journal,
    without_user,
)
from tests.fakes import NOON, FakeClock

SOON_S = 10.0

MakeWriter = Callable[..., Writer]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_writer(
    store: MemoryStore, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeWriter]:
    """Makes writers that deliver only when they are told, or with `is_live`, by their threads."""
    made: list[Writer] = []

    def make(*, journal: Journal | None = None, is_live: bool = False, memory_records: int = 3) -> Writer:
        writer = Writer(
            journal or Journal(tmp_path / "spool"),
            store,
            clock=clock,
            jitter=lambda: 0.5,
            memory_records=memory_records,
        )
        if not is_live:
            monkeypatch.setattr(writer, "start", lambda: None)
        made.append(writer)
        return writer

    yield make
    store.is_down = False
    for writer in made:
        writer.close()


def call(writer: Writer, key: str) -> None:
    start = make_start(key)
    writer.attempt_started(start)
    writer.attempt_ended(end_of(start))


class TestPass:
    def test_records_are_stored_in_order(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer()
        for key in "abc":
            call(writer, key)

        assert writer.pending() == 3
        assert writer.drain_once()

        assert [key_of(record) for record in store.rows.values()] == ["a", "b", "c"]
        assert writer.pending() == 0
        assert not writer.drain_once()

    def test_backlog_of_many_reads_is_stored(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer()
        for number in range(1_000):
            call(writer, f"{number:04d}")

        writer.drain_once()

        assert store.keys == [f"{number:04d}" for number in range(1_000)]
        assert max(store.batches) <= 200

    def test_down_store_keeps_everything_until_it_is_back(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer()
        store.is_down = True
        for key in "abc":
            call(writer, key)
            with pytest.raises(StoreUnavailable):
                writer.drain_once()
        assert writer.pending() == 3
        assert writer.is_database_down

        store.is_down = False
        writer.drain_once()

        assert store.keys == ["a", "b", "c"]
        assert not writer.is_database_down

    def test_memory_is_drained_where_there_is_no_journal(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer(journal=no_journal())
        for key in "abc":
            call(writer, key)
        assert writer.pending() == 3

        writer.drain_once()

        assert store.keys == ["a", "b", "c"]
        assert writer.pending() == 0

    def test_full_disk_and_down_store_lose_nothing_within_memory(
        self, make_writer: MakeWriter, store: MemoryStore, tmp_path: Path
    ) -> None:
        writer = make_writer(journal=Journal(tmp_path, segment_bytes=4096, max_bytes=8192), memory_records=50)
        store.is_down = True
        for number in range(40):
            call(writer, f"{number:02d}")
        with pytest.raises(StoreUnavailable):
            writer.drain_once()

        store.is_down = False
        writer.drain_once()

        assert store.keys == [f"{number:02d}" for number in range(40)]
        assert writer.stats().dropped == 0

    def test_over_every_bound_the_drop_counter_is_what_is_missing(
        self, make_writer: MakeWriter, store: MemoryStore, tmp_path: Path
    ) -> None:
        writer = make_writer(journal=Journal(tmp_path, segment_bytes=4096, max_bytes=8192), memory_records=5)
        store.is_down = True
        for number in range(40):
            call(writer, f"{number:02d}")

        store.is_down = False
        writer.drain_once()

        assert 0 < writer.stats().dropped == 40 - len(store.rows)

    def test_read_only_directory_costs_no_record(
        self, make_writer: MakeWriter, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        os_open = os.open

        def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
            if flags & os.O_CREAT:
                raise OSError(30, "read-only file system")
            return os_open(path, flags, mode)

        writer = make_writer(memory_records=300)
        monkeypatch.setattr(os, "open", read_only)
        for number in range(200):
            call(writer, f"{number:03d}")

        writer.drain_once()

        assert len(store.rows) == 200
        assert writer.stats().dropped == 0

    def test_dead_processes_records_are_delivered_once_a_second(
        self, make_writer: MakeWriter, store: MemoryStore, clock: FakeClock, tmp_path: Path
    ) -> None:
        writer = make_writer()
        writer.drain_once()
        other = Journal(tmp_path / "spool")
        other.append_end(make_record("left behind"))
        other.after_fork_in_child()

        writer.drain_once()
        assert store.keys == []
        clock.advance(1)
        assert writer.drain_once()

        assert store.keys == ["left behind"]
        assert writer.stats().adopted == 1

    def test_long_backlog_does_not_keep_a_pass_from_ending(
        self, make_writer: MakeWriter, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drain_module, "CHUNKS_PER_PASS", 1)
        writer = make_writer()
        for number in range(600):
            call(writer, f"{number:03d}")

        passes = 0
        while writer.drain_once():
            passes += 1

        assert passes > 1
        assert len(store.rows) == 600

    def test_unreadable_journal_is_told_and_memory_is_drained(
        self,
        make_writer: MakeWriter,
        store: MemoryStore,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def refuse(fd: int, length: int, offset: int) -> bytes:
            raise OSError(5, "input/output error")

        writer = make_writer()
        call(writer, "on disk")
        writer._intake._remember(make_record("in memory"))
        monkeypatch.setattr(os, "pread", refuse)

        writer.drain_once()
        call(writer, "another segment")
        writer.drain_once()

        assert store.keys == ["in memory"]
        assert len(caplog.records) == 1
        assert "cannot be read" in caplog.text
        monkeypatch.undo()
        left = sorted(writer._journal.directory.glob("*.jnl"))
        assert b"on disk" in left[0].read_bytes()
        assert b"another segment" in left[1].read_bytes()


class TestCaller:
    def test_metering_error_stops_at_the_writer(self, make_writer: MakeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(entry: AttemptStart | AttemptRecord) -> None:
            raise RuntimeError("a bug")

        writer = make_writer()
        monkeypatch.setattr(writer._intake, "take_start", fail)
        monkeypatch.setattr(writer._intake, "take_end", fail)

        call(writer, "a")

        assert contained_counts()["journal"] >= 2

    def test_caller_never_waits_for_the_store(
        self, make_writer: MakeWriter, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_writing, may_go_on = threading.Event(), threading.Event()
        write = store.write

        def frozen_write(records: Sequence[AttemptRecord]) -> None:
            is_writing.set()
            may_go_on.wait(SOON_S)
            write(records)

        monkeypatch.setattr(store, "write", frozen_write)
        writer = make_writer(is_live=True)
        call(writer, "a")
        assert is_writing.wait(SOON_S)

        for key in "bcd":
            call(writer, key)  # returns although the store hangs
        assert not writer.flush(0.01)
        assert store.keys == []

        may_go_on.set()
        assert writer.flush(SOON_S)
        assert store.keys == ["a", "b", "c", "d"]

    def test_write_that_takes_long_is_told_as_a_database_that_is_down(
        self, make_writer: MakeWriter, store: MemoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[bool] = []

        def slow_write(records: Sequence[AttemptRecord]) -> None:
            seen.append(writer.is_database_down)
            clock.advance(6)
            seen.append(writer.is_database_down)

        writer = make_writer()
        monkeypatch.setattr(store, "write", slow_write)
        call(writer, "a")

        writer.drain_once()

        assert seen == [False, True]
        assert not writer.is_database_down


class TestFork:
    def test_fork_that_calls_no_hooks_is_noticed_at_the_next_record(
        self, make_writer: MakeWriter, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = make_writer()
        call(writer, "the parent's")
        writer._intake._remember(make_record("the parent's memory"))
        monkeypatch.setattr(os, "getpid", lambda: 4_194_305)

        call(writer, "the child's")
        assert writer.pending() == 1
        writer._drain._drain_memory()
        writer._drain._drain_journal()

        assert store.keys == ["the child's"]


class TestThreads:
    def test_records_are_stored_without_anybody_asking(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer(is_live=True)
        for number in range(50):
            call(writer, f"{number:02d}")

        assert writer.flush(SOON_S)

        assert len(store.rows) == 50

    def test_many_threads_lose_nothing(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer(is_live=True)

        def work(name: str) -> None:
            for number in range(100):
                call(writer, f"{name}-{number}")

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert writer.flush(SOON_S)
        assert len(set(store.keys)) == 400

    def test_flush_of_nothing_is_true(self, make_writer: MakeWriter) -> None:
        assert make_writer(is_live=True).flush(0.0)

    def test_flush_of_a_down_store_is_false_after_its_timeout(
        self, make_writer: MakeWriter, store: MemoryStore
    ) -> None:
        writer = make_writer(is_live=True)
        store.is_down = True
        call(writer, "a")

        assert not writer.flush(0.05)

    def test_flush_does_not_wait_out_a_backoff(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer(is_live=True)
        store.is_down = True
        writer._retry_s = 30.0
        call(writer, "a")
        assert not writer.flush(0.05)

        store.is_down = False
        assert writer.flush(SOON_S)

    def test_flush_by_the_store_itself_does_not_wait_for_itself(
        self, make_writer: MakeWriter, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers: list[bool] = []
        write = store.write

        def write_and_flush(records: Sequence[AttemptRecord]) -> None:
            answers.append(writer.flush(SOON_S))
            write(records)

        monkeypatch.setattr(store, "write", write_and_flush)
        writer = make_writer(is_live=True)
        call(writer, "a")

        assert writer.flush(SOON_S)
        assert answers == [False]

    def test_flush_where_no_thread_can_start_is_false_at_once(
        self, make_writer: MakeWriter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = make_writer(is_live=True)
        monkeypatch.setattr(writer._drainer, "ensure_running", lambda: False)
        call(writer, "a")

        assert not writer.flush(SOON_S)

    def test_start_delivers_what_others_left_before_the_first_record(
        self, make_writer: MakeWriter, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = Journal(tmp_path / "spool")
        other.append_end(make_record("left behind"))
        other.after_fork_in_child()
        is_written = threading.Event()
        write = store.write

        def write_and_tell(records: Sequence[AttemptRecord]) -> None:
            write(records)
            is_written.set()

        monkeypatch.setattr(store, "write", write_and_tell)
        make_writer(is_live=True).start()

        assert is_written.wait(SOON_S)
        assert store.keys == ["left behind"]

    def test_interval_sync_reaches_the_disk_while_the_store_hangs(
        self, make_writer: MakeWriter, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_synced, may_go_on = threading.Event(), threading.Event()
        fdatasync = os.fdatasync

        def sync_and_tell(fd: int) -> None:
            fdatasync(fd)
            is_synced.set()

        def frozen_write(records: Sequence[AttemptRecord]) -> None:
            may_go_on.wait(SOON_S)

        monkeypatch.setattr(os, "fdatasync", sync_and_tell)
        monkeypatch.setattr(store, "write", frozen_write)
        writer = make_writer(is_live=True)
        call(writer, "a")

        assert is_synced.wait(SOON_S)
        may_go_on.set()

    def test_sync_off_starts_no_thread_for_it(self, make_writer: MakeWriter, tmp_path: Path) -> None:
        writer = make_writer(journal=Journal(tmp_path, sync_mode=SyncMode.OFF), is_live=True)

        call(writer, "a")

        assert writer._syncer._thread is None

    def test_disk_that_refuses_to_sync_is_contained(
        self, make_writer: MakeWriter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(fd: int) -> None:
            raise OSError(5, "input/output error")

        writer = make_writer()
        call(writer, "a")
        monkeypatch.setattr(os, "fdatasync", refuse)
        before = contained_counts().get("journal", 0)

        writer._sync()

        assert contained_counts()["journal"] == before + 1
        monkeypatch.undo()

    def test_writer_that_is_forgotten_is_not_kept_alive_by_its_hooks(self, tmp_path: Path) -> None:
        writer = Writer(Journal(tmp_path), MemoryStore())
        reference, at_exit = weakref.ref(writer), writer._at_exit
        del writer
        gc.collect()

        assert reference() is None
        at_exit()


class TestRetries:
    def test_pauses_double_from_a_tenth_to_thirty_seconds(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer()
        store.is_down = True
        call(writer, "a")

        pauses = [writer._step() for _ in range(12)]

        assert [pause.seconds for pause in pauses] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30]
        assert all(pause.is_backoff for pause in pauses)

    def test_jitter_spreads_a_pause_by_half(self, make_writer: MakeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
        writer = make_writer()
        spread = []
        for chance in (0.0, 1.0):
            monkeypatch.setattr(writer, "_jitter", lambda chance=chance: chance)
            writer._retry_s = 1.0
            spread.append(writer._next_retry_s(StoreUnavailable("away")))

        assert spread == [0.5, 1.5]

    def test_success_forgets_the_pauses(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer()
        store.is_down = True
        call(writer, "a")
        writer._step()
        writer._step()

        store.is_down = False
        assert not writer._step().is_backoff
        call(writer, "b")
        store.is_down = True

        assert writer._step().seconds == 0.1

    def test_outage_is_logged_once_a_minute(
        self, make_writer: MakeWriter, store: MemoryStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
    ) -> None:
        writer = make_writer()
        store.is_down = True
        call(writer, "a")
        for _ in range(61):
            writer._step()
            clock.advance(1)

        assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2

    def test_bug_in_a_pass_is_an_error_and_the_thread_goes_on(
        self,
        make_writer: MakeWriter,
        store: MemoryStore,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        writer = make_writer()
        call(writer, "a")
        read = writer._journal.read

        def fail() -> None:
            raise IndexError("a bug")

        monkeypatch.setattr(writer._journal, "read", fail)
        assert writer._step().is_backoff
        monkeypatch.setattr(writer._journal, "read", read)

        writer._step()

        assert store.keys == ["a"]
        assert [record.levelno for record in caplog.records] == [logging.ERROR]

    def test_connection_is_released_after_ten_idle_seconds(
        self, make_writer: MakeWriter, store: MemoryStore, clock: FakeClock
    ) -> None:
        writer = make_writer()
        writer._step()
        call(writer, "a")
        writer._step()
        clock.advance(10)
        writer._step()
        assert store.releases == 0

        clock.advance(1)
        writer._step()
        assert store.releases == 1


class TestStats:
    def test_stats_of_a_writer_that_did_nothing(self, make_writer: MakeWriter) -> None:
        stats = make_writer().stats()

        assert (stats.backlog_records, stats.backlog_bytes, stats.oldest_age_s, stats.is_database_down) == (
            0,
            0,
            None,
            False,
        )

    def test_stats_tell_of_a_backlog(self, make_writer: MakeWriter, clock: FakeClock) -> None:
        writer = make_writer()
        writer.attempt_ended(make_record(started_at=NOON, duration_s=2.0))
        writer.attempt_ended(make_record(started_at=NOON, duration_s=9.0))
        writer._intake._remember(make_record(started_at=NOON, duration_s=5.0))
        clock.advance(12.5)

        stats = writer.stats()

        assert stats.backlog_records == 3
        assert stats.backlog_bytes > 500
        assert stats.oldest_age_s == 10.5  # 12.5 - 2.0

    def test_oldest_may_be_in_memory(self, make_writer: MakeWriter, clock: FakeClock) -> None:
        writer = make_writer(journal=no_journal())
        writer.attempt_ended(make_record(started_at=NOON, duration_s=2.0))
        clock.advance(3)

        assert writer.stats().oldest_age_s == 1.0

    def test_clock_that_was_set_back_gives_no_negative_age(self, make_writer: MakeWriter) -> None:
        writer = make_writer()
        writer.attempt_ended(make_record(started_at=STARTED_AT, duration_s=60.0))

        assert writer.stats().oldest_age_s == 0.0

    def test_stats_count_what_became_of_the_records(
        self, make_writer: MakeWriter, store: MemoryStore, tmp_path: Path
    ) -> None:
        def is_poison(record: AttemptRecord) -> bool:
            return record.context.user_id == "poison" or key_of(record) == "hopeless"

        other = Journal(tmp_path / "spool")
        other.append_start(make_start("killed"))
        other.after_fork_in_child()
        store.is_poison, store.mend = is_poison, without_user
        writer = make_writer()
        call(writer, "good")
        writer.attempt_ended(make_record("mended", context=CallContext(user_id="poison", metadata={"key": "mended"})))
        call(writer, "hopeless")

        writer.drain_once()

        stats = writer.stats()
        assert stats == replace(
            stats, backlog_records=0, written=3, repaired=1, quarantined=1, interrupted=1, adopted=1, unreadable_lines=0
        )


class TestClose:
    def test_close_stores_what_is_there_and_leaves_no_file(
        self, make_writer: MakeWriter, store: MemoryStore, tmp_path: Path
    ) -> None:
        writer = make_writer(is_live=True)
        for key in "abc":
            call(writer, key)

        assert writer.close()

        assert store.keys == ["a", "b", "c"]
        assert list((tmp_path / "spool").iterdir()) == []
        assert store.releases == 1

    def test_close_with_a_down_store_leaves_everything_to_the_next(
        self, make_writer: MakeWriter, store: MemoryStore, tmp_path: Path
    ) -> None:
        writer = make_writer(is_live=True)
        store.is_down = True
        for key in "abc":
            call(writer, key)
        writer._intake._remember(make_record("in memory"))

        assert not writer.close(timeout_s=0.05)
        assert store.keys == []

        store.is_down = False
        assert make_writer().adopt_once() == 1
        assert store.keys == ["a", "b", "c", "in memory"]

    def test_close_is_bounded_where_the_store_hangs(
        self, make_writer: MakeWriter, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        is_writing, may_go_on = threading.Event(), threading.Event()
        write = store.write

        def frozen_write(records: Sequence[AttemptRecord]) -> None:
            is_writing.set()
            may_go_on.wait(SOON_S)
            write(records)

        monkeypatch.setattr(store, "write", frozen_write)
        writer = make_writer(is_live=True)
        call(writer, "a")
        is_writing.wait(SOON_S)

        assert not writer.close(timeout_s=0.05)

        may_go_on.set()
        assert writer._drainer.stop(SOON_S)  # its late acknowledgement meets a closed journal and does no harm
        make_writer().adopt_once()
        assert store.keys == ["a"]

    def test_exit_of_the_interpreter_closes(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer(is_live=True)
        call(writer, "a")

        writer._at_exit()

        assert store.keys == ["a"]
        assert not writer._drainer._thread.is_alive()  # type: ignore[union-attr]  # it ran

    def test_record_after_close_is_not_lost(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer()
        writer.close()

        call(writer, "late")
        writer.drain_once()

        assert store.keys == ["late"]

    def test_call_under_way_at_close_becomes_interrupted(self, make_writer: MakeWriter, store: MemoryStore) -> None:
        writer = make_writer()
        writer.attempt_started(make_start("under way"))
        writer.close()

        make_writer().adopt_once()

        assert [record.status.value for record in store.rows.values()] == ["interrupted"]


def test_stats_tell_what_went_wrong_by_reason(tmp_path: Path) -> None:
    store = MemoryStore()
    writer = Writer(Journal(tmp_path), store, clock=FakeClock())
    store.is_down = True
    writer.attempt_ended(make_record())
    with pytest.raises(StoreUnavailable):
        writer.drain_once()
    store.is_down = False
    store.is_poison = lambda record: True
    writer.drain_once()

    faults = writer.stats().faults

    assert faults[Fault.DATABASE_UNAVAILABLE] >= 1
    assert faults[Fault.ROWS_REJECTED] >= 1
    writer.close()


def test_writer_without_threads_leaves_its_records_to_others(tmp_path: Path) -> None:
    store = MemoryStore()
    writer = Writer(Journal(tmp_path), store, clock=FakeClock(), has_threads=False)

    writer.attempt_ended(make_record())

    assert not writer.flush(10)
    assert not writer.close()
    assert (store.rows, len(list(tmp_path.glob("*.jnl")))) == ({}, 1)
