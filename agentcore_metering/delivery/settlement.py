"""Owns how a batch of records becomes rows although one of them may be poison: bisect, repair, and set aside what nothing helps.

When to try again is left to the writer; a batch that is given again after a failure goes on where it stopped.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.faults import Fault
from agentcore_metering.delivery.store import RowStore, StoreUnavailable

__all__ = ["BATCH_ROWS", "Refused", "Settlement", "identity"]

logger = logging.getLogger(__name__)

BATCH_ROWS = 200


class Refused(Protocol):
    """Where records go that no repair made acceptable."""

    def put(self, record: AttemptRecord, reason: Exception) -> None:
        """Keep a record with the reason. May not raise."""


class Settlement:
    """Delivers records to a store. Counts what became of them."""

    def __init__(self, store: RowStore, quarantine: Refused) -> None:
        self._store = store
        self._quarantine = quarantine
        self.reset()

    def reset(self) -> None:
        """Count from zero and forget a batch that is half delivered."""
        self.written = 0
        """Records that the store took, repaired ones included."""
        self.repaired = 0
        self.quarantined = 0
        self.faults: Counter[Fault] = Counter()
        self._done: set[object] = set()

    def deliver(self, records: Sequence[AttemptRecord]) -> None:
        """Bring every record into the store or into quarantine. Raises StoreUnavailable; call again with the same records then."""
        for begin in range(0, len(records), BATCH_ROWS):
            self._write(records[begin : begin + BATCH_ROWS])
        self._done.difference_update(map(identity, records))

    def _write(self, batch: Sequence[AttemptRecord]) -> None:
        waiting = [record for record in batch if identity(record) not in self._done]
        if not waiting:
            return
        try:
            self._store.write(waiting)
        except StoreUnavailable:
            self.faults[Fault.DATABASE_UNAVAILABLE] += 1
            raise
        except Exception as exc:  # noqa: BLE001 - whatever one record makes the store do, the others must not wait behind it
            self.faults[Fault.ROWS_REJECTED] += 1
            self._isolate(waiting, exc)
        else:
            self.written += len(waiting)
            self._done.update(map(identity, waiting))

    def _isolate(self, rejected: Sequence[AttemptRecord], reason: Exception) -> None:
        if len(rejected) > 1:
            middle = len(rejected) // 2
            self._write(rejected[:middle])
            self._write(rejected[middle:])
            return
        record = rejected[0]
        try:
            self._store.write([self._store.repair(record)])
        except StoreUnavailable:
            self.faults[Fault.DATABASE_UNAVAILABLE] += 1
            raise
        except Exception as exc:  # noqa: BLE001 - the record is kept with the reason, whatever that is
            self.quarantined += 1
            self._quarantine.put(record, exc)
        else:
            self.repaired += 1
            self.written += 1
            logger.info("Usage row %s was stored after a repair: %s", record.id, reason)
        self._done.add(identity(record))


def identity(record: AttemptRecord) -> tuple[object, ...]:
    """What tells a record from others: an end is not done because the interruption of the same attempt is."""
    return record.id, record.status
