"""Owns the second chance of quarantined records, once the cause of their refusal was mended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentcore_metering.core.clock import SystemClock
from agentcore_metering.core.ports import Clock
from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.quarantine import (
    Quarantine,
    QuarantinedRecord,
    quarantine_line,
    taken_from_quarantine,
    told,
)
from agentcore_metering.delivery.settlement import BATCH_ROWS, Settlement, identity
from agentcore_metering.delivery.store import RowStore
from agentcore_metering.delivery.throttle import LogThrottle

__all__ = ["ReplayReport", "replay_quarantine"]


_SINCE_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What became of the quarantined records."""

    stored: int
    kept: int
    """Refused again: they are still in quarantine, with the new reason."""
    unreadable: int
    """Lines that give no record; they are still in quarantine."""


def replay_quarantine(directory: Path, store: RowStore, *, clock: Clock | None = None) -> ReplayReport:
    """Give every quarantined record to the store again; what it still refuses goes back.

    Whenever this is stopped, and however often it is repeated, no record is lost and none gets two rows. Raises StoreUnavailable,
    QuarantineBusy and OSError; everything is kept then.
    """
    clock = clock or SystemClock()
    refused = _Refusals()
    settlement = Settlement(store, refused)
    kept: list[bytes] = []
    unreadable = 0
    with taken_from_quarantine(directory) as found:
        batch: dict[object, QuarantinedRecord] = {}
        for item in found:
            if item.record is None:
                kept.append(item.line)
                unreadable += 1
                continue
            batch[identity(item.record)] = item
            if len(batch) == BATCH_ROWS:
                kept += _settle(settlement, refused, batch)
        kept += _settle(settlement, refused, batch)
        if kept:
            Quarantine(directory, clock, LogThrottle(clock)).append(kept)
    return ReplayReport(settlement.written, len(kept) - unreadable, unreadable)


class _Refusals:
    """Collects what is refused, so that it is put back only when all others are stored."""

    def __init__(self) -> None:
        self.records: list[tuple[AttemptRecord, str]] = []

    def put(self, record: AttemptRecord, reason: Exception) -> None:
        self.records.append((record, told(reason)))


def _settle(settlement: Settlement, refused: _Refusals, batch: dict[object, QuarantinedRecord]) -> list[bytes]:
    """The lines of the records of `batch` that were refused again; `batch` is empty afterwards."""
    settlement.deliver([item.record for item in batch.values() if item.record is not None])
    lines = [
        quarantine_line(record, error, batch[identity(record)].at or _SINCE_EVER) for record, error in refused.records
    ]
    refused.records.clear()
    batch.clear()
    return lines
