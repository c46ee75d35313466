"""Quarantined records get a second chance: none is lost and none gets two rows, wherever a replay is stopped."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.directory import open_private
from agentcore_metering.delivery.quarantine import Quarantine, QuarantineBusy, quarantined_lines, read_quarantine
from agentcore_metering.delivery.replay import ReplayReport, replay_quarantine
from agentcore_metering.delivery.store import RowsRejected, StoreUnavailable
from agentcore_metering.delivery.throttle import LogThrottle
from tests.delivery.builders import MemoryStore, key_of, make_full_record, make_record
from tests.fakes import FakeClock


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    clock = FakeClock()
    return Quarantine(tmp_path, clock, LogThrottle(clock))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def fill(quarantine: Quarantine, *keys: str) -> list[AttemptRecord]:
    records = [make_record(key) for key in keys]
    for record in records:
        quarantine.put(record, RowsRejected("value too long"))
    return records


def keys(directory: Path) -> list[str]:
    return [key_of(item.record) for item in read_quarantine(directory) if item.record]


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name != "quarantine.lock")


def test_quarantined_record_reads_back_as_it_was(quarantine: Quarantine, tmp_path: Path) -> None:
    record = make_full_record()
    quarantine.put(record, RowsRejected("value too long"))

    (item,) = read_quarantine(tmp_path)

    assert item.record == record
    assert (item.error, item.at) == ("RowsRejected: value too long", FakeClock().now())


def test_replay_stores_what_is_accepted_now(quarantine: Quarantine, store: MemoryStore, tmp_path: Path) -> None:
    records = fill(quarantine, *map(str, range(450)))

    assert replay_quarantine(tmp_path, store) == ReplayReport(stored=450, kept=0, unreadable=0)

    assert list(store.rows.values()) == records
    assert files(tmp_path) == []
    assert replay_quarantine(tmp_path, store) == ReplayReport(0, 0, 0)


def test_replay_keeps_what_still_fails_with_its_time_and_the_new_reason(
    quarantine: Quarantine, store: MemoryStore, tmp_path: Path
) -> None:
    fill(quarantine, "good", "poison", "also good")
    before = {item.record.id: item.at for item in read_quarantine(tmp_path) if item.record}
    store.is_poison = lambda record: key_of(record) == "poison"
    store.mend = lambda record: replace(record, duration_s=0.0)

    assert replay_quarantine(tmp_path, store) == ReplayReport(stored=2, kept=1, unreadable=0)

    (item,) = read_quarantine(tmp_path)
    assert item.record is not None
    assert (key_of(item.record), item.at) == ("poison", before[item.record.id])
    assert store.keys == ["also good", "good"]


def test_replay_during_an_outage_keeps_everything(quarantine: Quarantine, store: MemoryStore, tmp_path: Path) -> None:
    fill(quarantine, "a", "b")
    store.is_down = True

    with pytest.raises(StoreUnavailable):
        replay_quarantine(tmp_path, store)
    fill(quarantine, "c")

    assert keys(tmp_path) == ["a", "b", "c"]
    assert quarantined_lines(tmp_path) == 3
    store.is_down = False
    assert replay_quarantine(tmp_path, store).stored == 3
    assert files(tmp_path) == []


def test_replay_that_died_before_its_end_is_finished_by_the_next(
    quarantine: Quarantine, store: MemoryStore, tmp_path: Path
) -> None:
    records = fill(quarantine, "stored already", "not yet")
    (tmp_path / "quarantine.ndjson").rename(tmp_path / "quarantine.ndjson.replay-00000000000000000001")
    store.write(records[:1])

    assert replay_quarantine(tmp_path, store).kept == 0

    assert store.keys == ["not yet", "stored already"]
    assert files(tmp_path) == []


def test_record_that_is_in_quarantine_twice_gets_one_row(
    quarantine: Quarantine, store: MemoryStore, tmp_path: Path
) -> None:
    (record,) = fill(quarantine, "a")
    quarantine.put(record, RowsRejected("again"))

    replay_quarantine(tmp_path, store)

    assert list(store.rows) == [record.id]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"at": "x", "error": "", "record": {}}',
        b"\xff\xfe",
        b'{"at": "2026-11-24T12:00:00+00:00"}',
        b"[" * 10_000,
    ],
)
def test_line_that_gives_no_record_stays(
    quarantine: Quarantine, store: MemoryStore, tmp_path: Path, line: bytes
) -> None:
    quarantine.append([line])
    fill(quarantine, "good")

    assert replay_quarantine(tmp_path, store) == ReplayReport(stored=1, kept=0, unreadable=1)

    assert (tmp_path / "quarantine.ndjson").read_bytes() == line + b"\n"


def test_second_replay_at_the_same_time_is_refused(quarantine: Quarantine, store: MemoryStore, tmp_path: Path) -> None:
    fill(quarantine, "a")
    fd = os.open(tmp_path / "quarantine.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)

    with pytest.raises(QuarantineBusy, match="another process"):
        replay_quarantine(tmp_path, store)
    os.close(fd)

    assert keys(tmp_path) == ["a"]


def test_record_that_comes_while_the_file_is_taken_away_goes_to_the_new_one(
    quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(quarantine, "first")
    opened, name = open_private, "agentcore_metering.delivery.quarantine.open_private"

    def taken_away_after_it_was_opened(path: Path) -> int:
        fd = opened(path)
        if key_count := len(keys(tmp_path)):
            path.rename(path.with_name(f"{path.name}.replay-{key_count:020d}"))
            monkeypatch.setattr(name, opened)
        return fd

    monkeypatch.setattr(name, taken_away_after_it_was_opened)
    fill(quarantine, "second")

    assert (tmp_path / "quarantine.ndjson").read_bytes().count(b"\n") == 1
    assert keys(tmp_path) == ["first", "second"]


def test_short_write_leaves_no_half_line(
    quarantine: Quarantine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(quarantine, "first")
    before = (tmp_path / "quarantine.ndjson").read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, content: write(fd, content[:10]))

    with pytest.raises(OSError, match="disk is full"):
        quarantine.append([b"x" * 100])
    monkeypatch.undo()

    assert (tmp_path / "quarantine.ndjson").read_bytes() == before
