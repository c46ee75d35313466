"""Owns how a batch of records becomes rows although one of them may be poison: bisect, repair, and set aside what nothing helps.

When to try again is left to the writer; a batch that is given again after a failure goes on where it stopped.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentcore_metering.core.ports import Clock
from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.codec import to_text
from agentcore_metering.delivery.directory import open_private
from agentcore_metering.delivery.store import RowStore, StoreUnavailable
from agentcore_metering.delivery.throttle import LogThrottle

__all__ = ["BATCH_ROWS", "Quarantine", "Settlement", "tell_whole"]

logger = logging.getLogger(__name__)

BATCH_ROWS = 200
QUARANTINE_NAME = "quarantine.ndjson"
QUARANTINE_MAX_BYTES = 64 * 1024 * 1024
ERROR_CHARACTERS = 500


class Settlement:
    """Delivers records to a store. Counts what became of them."""

    def __init__(self, store: RowStore, quarantine: Quarantine) -> None:
        self._store = store
        self._quarantine = quarantine
        self.reset()

    def reset(self) -> None:
        """Count from zero and forget a batch that is half delivered."""
        self.written = 0
        """Records that the store took, repaired ones included."""
        self.repaired = 0
        self.quarantined = 0
        self._done: set[object] = set()

    def deliver(self, records: Sequence[AttemptRecord]) -> None:
        """Bring every record into the store or into quarantine. Raises StoreUnavailable; call again with the same records then."""
        for begin in range(0, len(records), BATCH_ROWS):
            self._write(records[begin : begin + BATCH_ROWS])
        self._done.difference_update(map(_identity, records))

    def _write(self, batch: Sequence[AttemptRecord]) -> None:
        waiting = [record for record in batch if _identity(record) not in self._done]
        if not waiting:
            return
        try:
            self._store.write(waiting)
        except StoreUnavailable:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever one record makes the store do, the others must not wait behind it
            self._isolate(waiting, exc)
        else:
            self.written += len(waiting)
            self._done.update(map(_identity, waiting))

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
            raise
        except Exception as exc:  # noqa: BLE001 - the record is kept with the reason, whatever that is
            self.quarantined += 1
            self._quarantine.put(record, exc)
        else:
            self.repaired += 1
            self.written += 1
            logger.info("Usage row %s was stored after a repair: %s", record.id, reason)
        self._done.add(_identity(record))


class Quarantine:
    """The file of records that no repair made acceptable, one JSON object a line."""

    def __init__(self, directory: Path, clock: Clock, throttle: LogThrottle) -> None:
        self.path = directory / QUARANTINE_NAME
        self._clock = clock
        self._throttle = throttle
        self._count = 0

    def put(self, record: AttemptRecord, reason: Exception) -> None:
        """Keep a record with the reason. Where the file cannot be written, the record goes to the log, whole."""
        error = f"{type(reason).__name__}: {reason}"[:ERROR_CHARACTERS]
        try:
            self._append(record, error)
        except OSError as exc:
            tell_whole(record, f"{error}; and {self.path} cannot be written: {exc}")
            return
        self._count += 1
        if self._throttle.is_due("quarantine"):
            logger.error(
                "%d usage records were refused by the database and wait in %s; the last one, %s: %s",
                self._count,
                self.path,
                record.id,
                error,
            )

    def _append(self, record: AttemptRecord, error: str) -> None:
        entry: dict[str, Any] = {
            "at": self._clock.now().isoformat(),
            "error": error,
            "record": json.loads(to_text(record)),
        }
        fd = open_private(self.path)
        try:
            if os.fstat(fd).st_size > QUARANTINE_MAX_BYTES:
                raise OSError(f"it is larger than {QUARANTINE_MAX_BYTES} bytes")
            os.write(fd, json.dumps(entry).encode("ascii") + b"\n")
        finally:
            os.close(fd)


def tell_whole(record: AttemptRecord, reason: str) -> None:
    """The last stop of a record: the log, at CRITICAL, as JSON."""
    logger.critical("A usage record could not be stored (%s): %s", reason, to_text(record))


def _identity(record: AttemptRecord) -> tuple[object, ...]:
    """An end is not done because the interruption of the same attempt is."""
    return record.id, record.status
