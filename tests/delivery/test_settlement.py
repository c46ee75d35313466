"""A poison record costs nobody else his row, wherever in the batch it stands."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery import quarantine as quarantine_module
from agentcore_metering.delivery.adoption import interrupted
from agentcore_metering.delivery.quarantine import Quarantine
from agentcore_metering.delivery.settlement import Settlement
from agentcore_metering.delivery.store import StoreUnavailable
from agentcore_metering.delivery.throttle import LogThrottle
from tests.delivery.builders import MemoryStore, end_of, key_of, make_record, make_start, without_user
from tests.fakes import NOON, FakeClock


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def settlement(store: MemoryStore, tmp_path: Path) -> Settlement:
    clock = FakeClock()
    return Settlement(store, Quarantine(tmp_path, clock, LogThrottle(clock)))


def quarantined(tmp_path: Path) -> list[str]:
    path = tmp_path / "quarantine.ndjson"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["record"]["context"]["metadata"]["key"] for line in lines]


def is_poison(record: AttemptRecord) -> bool:
    return key_of(record).startswith("poison")


def has_user(record: AttemptRecord) -> bool:
    return is_poison(record) and record.context.user_id is not None


def test_records_are_written_in_batches_of_two_hundred(settlement: Settlement, store: MemoryStore) -> None:
    settlement.deliver([make_record(str(number)) for number in range(450)])

    assert store.batches == [200, 200, 50]
    assert (len(store.rows), settlement.written) == (450, 450)


@pytest.mark.parametrize("position", range(9))
def test_poison_at_any_position_is_quarantined_alone(
    settlement: Settlement, store: MemoryStore, tmp_path: Path, position: int
) -> None:
    store.is_poison = is_poison
    records = [make_record(f"good-{number}") for number in range(8)]
    records.insert(position, make_record("poison"))

    settlement.deliver(records)

    assert store.keys == [f"good-{number}" for number in range(8)]
    assert quarantined(tmp_path) == ["poison"]
    assert (settlement.written, settlement.quarantined, settlement.repaired) == (8, 1, 0)


@pytest.mark.parametrize("position", range(9))
def test_poison_at_any_position_that_can_be_repaired_is_stored(
    settlement: Settlement, store: MemoryStore, tmp_path: Path, position: int
) -> None:
    store.is_poison, store.mend = has_user, without_user
    records = [make_record(f"good-{number}") for number in range(8)]
    records.insert(position, make_record("poison"))

    settlement.deliver(records)

    assert len(store.rows) == 9
    assert quarantined(tmp_path) == []
    assert (settlement.written, settlement.quarantined, settlement.repaired) == (9, 0, 1)


def test_batch_of_nothing_but_poison_is_quarantined(settlement: Settlement, store: MemoryStore, tmp_path: Path) -> None:
    store.is_poison = is_poison

    settlement.deliver([make_record(f"poison-{number}") for number in range(7)])

    assert len(quarantined(tmp_path)) == settlement.quarantined == 7


def test_bisecting_costs_a_logarithm(settlement: Settlement, store: MemoryStore) -> None:
    store.is_poison = is_poison
    records = [make_record("good") for _ in range(199)] + [make_record("poison")]

    settlement.deliver(records)

    assert len(store.batches) <= 2 * 8 + 2  # two halves at each of eight levels, the batch itself and the repair


@pytest.mark.parametrize(
    "error", [RuntimeError("bug"), KeyError("x"), ValueError("NUL")], ids=lambda error: type(error).__name__
)
def test_any_exception_of_the_store_counts_as_a_refusal(
    settlement: Settlement, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write = store.write

    def failing_write(records: Sequence[AttemptRecord]) -> None:
        if any(map(is_poison, records)):
            raise error
        write(records)

    monkeypatch.setattr(store, "write", failing_write)

    settlement.deliver([make_record("a"), make_record("poison"), make_record("b")])

    assert store.keys == ["a", "b"]
    assert quarantined(tmp_path) == ["poison"]


def test_repair_that_fails_quarantines_the_record(settlement: Settlement, store: MemoryStore, tmp_path: Path) -> None:
    def fail(record: AttemptRecord) -> AttemptRecord:
        raise TypeError("cannot mend that")

    store.is_poison, store.mend = is_poison, fail

    settlement.deliver([make_record("poison")])

    assert quarantined(tmp_path) == ["poison"]


def test_store_that_is_away_raises_and_keeps_nothing_from_being_tried_again(
    settlement: Settlement, store: MemoryStore
) -> None:
    records = [make_record(str(number)) for number in range(3)]
    store.is_down = True
    with pytest.raises(StoreUnavailable):
        settlement.deliver(records)

    store.is_down = False
    settlement.deliver(records)

    assert (len(store.rows), settlement.written) == (3, 3)


@pytest.mark.parametrize("calls_before_outage", range(1, 8))
def test_outage_in_the_middle_of_a_bisection_counts_and_quarantines_once(
    settlement: Settlement,
    store: MemoryStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    calls_before_outage: int,
) -> None:
    store.is_poison = is_poison
    records = [make_record("poison-1"), make_record("a"), make_record("b"), make_record("poison-2")]
    write = store.write

    def write_until_outage(batch: Sequence[AttemptRecord]) -> None:
        store.is_down = len(store.batches) >= calls_before_outage
        write(batch)

    monkeypatch.setattr(store, "write", write_until_outage)
    with pytest.raises(StoreUnavailable):
        settlement.deliver(records)
    monkeypatch.setattr(store, "write", write)
    store.is_down = False

    settlement.deliver(records)

    assert store.keys == ["a", "b"]
    assert quarantined(tmp_path) == ["poison-1", "poison-2"]
    assert (settlement.written, settlement.quarantined) == (2, 2)


def test_end_and_interruption_of_one_attempt_in_one_delivery_are_both_written(
    settlement: Settlement, store: MemoryStore
) -> None:
    start = make_start()
    store.is_poison = is_poison

    settlement.deliver([interrupted(start), make_record("poison"), end_of(start)])

    assert list(store.rows.values()) == [end_of(start)]


def test_quarantine_line_says_when_why_and_what(settlement: Settlement, store: MemoryStore, tmp_path: Path) -> None:
    store.is_poison = is_poison

    settlement.deliver([make_record("poison")])

    path = tmp_path / "quarantine.ndjson"
    entry = json.loads(path.read_text())
    assert (entry["at"], entry["error"]) == (NOON.isoformat(), "RowsRejected: value too long")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_quarantine_is_logged_once_a_minute(
    settlement: Settlement, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.is_poison = is_poison

    settlement.deliver([make_record("poison") for _ in range(5)])

    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("is_too_large", [True, False], ids=["full", "not a file"])
def test_quarantine_that_cannot_be_written_tells_the_record_whole(
    settlement: Settlement,
    store: MemoryStore,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    is_too_large: bool,
) -> None:
    store.is_poison = is_poison
    path = tmp_path / "quarantine.ndjson"
    if is_too_large:
        monkeypatch.setattr(quarantine_module, "QUARANTINE_MAX_BYTES", 0)
        path.write_text("{}\n")
    else:
        path.mkdir()

    settlement.deliver([make_record("poison")])

    (logged,) = caplog.records
    assert logged.levelno == logging.CRITICAL
    assert '"key":"poison"' in logged.getMessage()
    assert settlement.quarantined == 1


def test_batches_before_an_outage_are_not_written_again(
    settlement: Settlement, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [make_record(str(number)) for number in range(250)]
    write = store.write

    def write_once(batch: Sequence[AttemptRecord]) -> None:
        store.is_down = bool(store.rows)
        write(batch)

    monkeypatch.setattr(store, "write", write_once)
    with pytest.raises(StoreUnavailable):
        settlement.deliver(records)
    monkeypatch.setattr(store, "write", write)
    store.is_down = False

    settlement.deliver(records)

    assert store.batches == [200, 50, 50]
    assert settlement.written == 250


class _Unsayable:
    """A host's object that has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_poison_without_a_line_is_told_by_its_id_and_holds_nobody_up(
    settlement: Settlement, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.is_poison = is_poison
    poison = make_record("poison")
    poison = replace(poison, context=replace(poison.context, node_name=_Unsayable()))  # type: ignore[arg-type]

    settlement.deliver([poison, make_record("good")])

    assert store.keys == ["good"]
    [told] = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert str(poison.id) in told
