"""What dead processes left behind becomes rows: all of it, once, and whatever else is in the file."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentcore_metering.core.types import AttemptRecord, CostStatus, Status
from agentcore_metering.delivery import directory as directory_module
from agentcore_metering.delivery.adoption import Adopter, interrupted
from agentcore_metering.delivery.codec import encode
from agentcore_metering.delivery.directory import used_bytes
from agentcore_metering.delivery.journal import Journal
from agentcore_metering.delivery.segment import HEADER_BYTES, Segment
from agentcore_metering.delivery.store import StoreUnavailable
from agentcore_metering.delivery.throttle import LogThrottle
from tests.delivery.builders import SMALL, MemoryStore, end_of, key_of, leave_behind, make_record, make_start
from tests.fakes import FakeClock


def make_adopter(directory: Path) -> Adopter:
    return Adopter(Journal(directory), LogThrottle(FakeClock()))


@pytest.fixture
def adopter(tmp_path: Path) -> Adopter:
    return make_adopter(tmp_path)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def statuses(store: MemoryStore) -> dict[str, Status]:
    return {key_of(record): record.status for record in store.rows.values()}


def test_records_of_a_dead_process_are_delivered_and_its_segments_go(
    adopter: Adopter, store: MemoryStore, tmp_path: Path
) -> None:
    records = [make_record(str(number)) for number in range(30)]
    paths = leave_behind(tmp_path, *records)

    assert adopter.adopt(store.write) == len(paths) > 3

    assert list(store.rows.values()) == records
    assert list(tmp_path.iterdir()) == []


def test_living_process_is_left_alone(adopter: Adopter, store: MemoryStore, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append_end(make_record())

    assert adopter.adopt(store.write) == 0

    assert store.rows == {}
    journal.close()


def test_directory_that_is_not_there_has_nothing(store: MemoryStore, tmp_path: Path) -> None:
    assert make_adopter(tmp_path / "none").adopt(store.write) == 0


def test_directory_that_cannot_be_listed_is_told_and_no_error(
    store: MemoryStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no directory")

    assert make_adopter(tmp_path / "file").adopt(store.write) == 0

    assert "cannot be listed" in caplog.text


def test_start_without_end_becomes_interrupted(adopter: Adopter, store: MemoryStore, tmp_path: Path) -> None:
    start = make_start("killed", attempt=2)
    leave_behind(tmp_path, start)

    adopter.adopt(store.write)

    (record,) = store.rows.values()
    assert record == interrupted(start)
    assert (record.status, record.cost, record.cost_status) == (Status.INTERRUPTED, None, CostStatus.NO_USAGE)
    assert record.ended_at == start.started_at
    assert adopter.interrupted == 1


def test_end_in_a_later_segment_is_found(adopter: Adopter, store: MemoryStore, tmp_path: Path) -> None:
    start = make_start("slow")
    leave_behind(tmp_path, start, *(make_record() for _ in range(20)), end_of(start))

    adopter.adopt(store.write)

    assert statuses(store)["slow"] is Status.SUCCEEDED
    assert adopter.interrupted == 0


def test_delivered_records_are_not_delivered_again(adopter: Adopter, store: MemoryStore, tmp_path: Path) -> None:
    leave_behind(tmp_path, make_record("before"), make_record("after"), delivered=1)

    adopter.adopt(store.write)

    assert store.keys == ["after"]


def test_delivered_start_and_end_are_paired_all_the_same(adopter: Adopter, store: MemoryStore, tmp_path: Path) -> None:
    done, killed = make_start("done"), make_start("killed")
    leave_behind(tmp_path, done, killed, end_of(done), delivered=3)

    adopter.adopt(store.write)

    assert statuses(store) == {"killed": Status.INTERRUPTED}


def test_damaged_line_costs_itself_and_a_copy_is_kept(
    adopter: Adopter, store: MemoryStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (path,) = leave_behind(tmp_path, make_record("a"), make_record("b"), make_record("c"))
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"key":"b"', b'"key":"X"'))

    assert adopter.adopt(store.write) == 1

    assert store.keys == ["a", "c"]
    assert adopter.unreadable_lines == 1
    assert [found.name for found in tmp_path.iterdir()] == [f"{path.name}.corrupt"]
    assert "is damaged" in caplog.text
    assert adopter.adopt(store.write) == 0


def test_damaged_end_leaves_its_start_interrupted(adopter: Adopter, store: MemoryStore, tmp_path: Path) -> None:
    start = make_start("a")
    (path,) = leave_behind(tmp_path, start, end_of(start))
    path.write_bytes(path.read_bytes().replace(b'"succeeded"', b'"sXcceeded"'))

    adopter.adopt(store.write)

    assert statuses(store) == {"a": Status.INTERRUPTED}


def test_two_hundred_random_damages_never_stop_a_replay(tmp_path: Path) -> None:
    chance = random.Random(20_261_124)
    for number in range(200):
        directory = tmp_path / str(number)
        directory.mkdir()
        records = [make_record(str(key)) for key in range(5)]
        (path,) = leave_behind(directory, *records)
        content = bytearray(path.read_bytes())
        place = chance.randrange(len(content.rstrip(b"\0")))
        if chance.random() < 0.5:
            content[place] ^= 1 << chance.randrange(8)
            allowed = 1
        else:
            del content[place:]
            allowed = 5 - bytes(content).count(b"\n", HEADER_BYTES)
        path.write_bytes(content)
        store, adopter = MemoryStore(), make_adopter(directory)

        adopter.adopt(store.write)

        assert len(store.rows) >= 5 - allowed
        assert all(record in records for record in store.rows.values())
        assert list(directory.glob("*.jnl")) == []


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"\0" * 5000, os.urandom(5000)], ids=["empty", "short", "zeros", "noise"]
)
def test_file_of_anything_is_no_obstacle(adopter: Adopter, store: MemoryStore, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a-1-x-000001.jnl").write_bytes(content)
    leave_behind(tmp_path, make_record("b"))

    adopter.adopt(store.write)

    assert store.keys == ["b"]
    assert list(tmp_path.glob("*.jnl")) == []


def test_link_in_the_directory_is_told_and_the_others_are_delivered(
    adopter: Adopter, store: MemoryStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a-1-x-000001.jnl").symlink_to(tmp_path / "elsewhere")
    leave_behind(tmp_path, make_record("b"))

    adopter.adopt(store.write)

    assert store.keys == ["b"]
    assert "cannot be read and stay where they are" in caplog.text


def test_lines_of_a_newer_release_are_kept_for_it(adopter: Adopter, store: MemoryStore, tmp_path: Path) -> None:
    import json
    import zlib

    body = json.dumps({"v": 2, "k": "e"}).encode()
    (tmp_path / "a-1-x-000001.jnl").write_bytes(b"\0" * HEADER_BYTES + b"%08x %b\n" % (zlib.crc32(body), body))

    adopter.adopt(store.write)

    assert [path.name for path in tmp_path.iterdir()] == ["a-1-x-000001.jnl.v2"]
    assert adopter.adopt(store.write) == 0


def test_segment_kept_for_this_release_is_adopted(
    adopter: Adopter, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = leave_behind(tmp_path, make_record("a"))
    path.rename(f"{path}.v2")

    assert adopter.adopt(store.write) == 0
    monkeypatch.setattr(directory_module, "VERSION", 2)
    adopter.adopt(store.write)

    assert store.keys == ["a"]


def test_store_that_is_away_keeps_everything_and_a_second_try_delivers_it(
    adopter: Adopter, store: MemoryStore, tmp_path: Path
) -> None:
    killed = make_start("killed")
    paths = leave_behind(tmp_path, killed, *(make_record(f"{number:02d}") for number in range(20)))
    store.is_down = True

    with pytest.raises(StoreUnavailable):
        adopter.adopt(store.write)
    assert sorted(tmp_path.glob("*.jnl")) == paths

    store.is_down = False
    adopter.adopt(store.write)
    assert len(store.rows) == 21
    assert list(tmp_path.iterdir()) == []


def test_damaged_line_is_counted_once_however_often_the_store_is_away(
    adopter: Adopter, store: MemoryStore, tmp_path: Path
) -> None:
    (path,) = leave_behind(tmp_path, make_record("a"), make_record("b"))
    path.write_bytes(path.read_bytes().replace(b'"key":"b"', b'"key":"X"'))
    store.is_down = True
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            adopter.adopt(store.write)

    store.is_down = False
    adopter.adopt(store.write)

    assert adopter.unreadable_lines == 1


def test_store_that_goes_away_in_the_middle_keeps_what_is_not_delivered(
    adopter: Adopter, store: MemoryStore, tmp_path: Path
) -> None:
    leave_behind(tmp_path, *(make_record(f"{number:02d}") for number in range(20)))

    def write_once(records: Sequence[AttemptRecord]) -> None:
        store.is_down = bool(store.rows)
        store.write(records)

    with pytest.raises(StoreUnavailable):
        adopter.adopt(write_once)
    assert 0 < len(store.rows) < 20

    store.is_down = False
    adopter.adopt(store.write)
    assert len(store.rows) == 20


def test_another_adopter_at_work_is_not_disturbed(adopter: Adopter, store: MemoryStore, tmp_path: Path) -> None:
    leave_behind(tmp_path, make_record("a"))
    rival = make_adopter(tmp_path)

    def write(records: Sequence[AttemptRecord]) -> None:
        assert rival.adopt(store.write) == 0
        store.write(records)

    adopter.adopt(write)

    assert store.keys == ["a"]
    assert len(store.batches) == 2  # the records, and the attempts without an end, of which there are none


def test_rival_in_a_later_segment_leaves_the_attempts_without_end_open(
    adopter: Adopter, store: MemoryStore, tmp_path: Path
) -> None:
    killed = make_start("killed")
    paths = leave_behind(tmp_path, killed, *(make_record(f"{number:02d}") for number in range(10)))
    rival = Segment.adopt(paths[1])
    assert rival is not None

    adopter.adopt(store.write)
    assert "killed" not in store.keys

    rival.close()
    adopter.adopt(store.write)
    assert statuses(store)["killed"] is Status.INTERRUPTED
    assert len(store.rows) == 11


def test_order_of_an_end_and_its_interruption_does_not_matter(store: MemoryStore, tmp_path: Path) -> None:
    """A fork in the middle of a call: the parent's segment has the start, the child's has the end."""
    start = make_start("a")
    for parts in ([start], [end_of(start)]), ([end_of(start)], [start]):
        store.rows.clear()
        for part in parts:
            leave_behind(tmp_path, *part)
            make_adopter(tmp_path).adopt(store.write)

        assert statuses(store) == {"a": Status.SUCCEEDED}


def test_half_made_segments_go_when_they_are_old(adopter: Adopter, store: MemoryStore, tmp_path: Path) -> None:
    old, young = tmp_path / "a-1-x-000001.jnl.tmp", tmp_path / "a-2-x-000001.jnl.tmp"
    for path in (old, young):
        path.write_bytes(b"\0" * SMALL)
    os.utime(old, (1, 1))

    adopter.adopt(store.write)

    assert list(tmp_path.iterdir()) == [young]


def test_only_the_newest_corrupt_segments_are_kept(
    adopter: Adopter, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "CORRUPT_KEPT", 2)
    for number in range(5):
        path = tmp_path / f"a-{number}-x-000001.jnl"
        path.write_bytes(b"\0" * HEADER_BYTES + b"noise\n")
        os.utime(path, (number, number))

    adopter.adopt(store.write)
    adopter.adopt(store.write)

    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a-{number}-x-000001.jnl.corrupt" for number in (3, 4)]


def test_used_bytes_counts_segments_and_not_what_is_set_aside(tmp_path: Path) -> None:
    for name in ("a-1-x-000001.jnl", "a-1-x-000002.jnl.tmp", "a-1-x-000003.jnl.v2"):
        (tmp_path / name).write_bytes(b"x" * 10)
    for name in ("a-1-x-000004.jnl.corrupt", "quarantine.ndjson"):
        (tmp_path / name).write_bytes(b"x" * 1000)

    assert used_bytes(tmp_path) == 30
    assert used_bytes(tmp_path / "none") == 0


def test_a_megabyte_of_zeros_before_the_next_line_is_no_obstacle(
    adopter: Adopter, store: MemoryStore, tmp_path: Path
) -> None:
    line = encode(make_record("behind the hole"))
    (tmp_path / "a-1-x-000001.jnl").write_bytes(b"\0" * 1024 * 1024 + line)

    adopter.adopt(store.write)

    assert store.keys == ["behind the hole"]


def test_fault_that_lasts_is_logged_once_a_minute(
    tmp_path: Path, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    adopter = Adopter(Journal(tmp_path), LogThrottle(clock))
    (tmp_path / "a-1-x-000001.jnl").symlink_to(tmp_path / "elsewhere")
    caplog.set_level(logging.WARNING)
    for _ in range(121):
        adopter.adopt(store.write)
        clock.advance(1)

    assert len(caplog.records) == 3


def test_segment_that_is_cut_while_it_is_read_is_no_obstacle(
    adopter: Adopter, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_behind(tmp_path, make_record("a"))
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: pread(fd, length, offset) if offset == 0 else b"")

    assert adopter.adopt(store.write) == 1

    assert store.rows == {}
