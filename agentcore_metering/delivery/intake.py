"""Owns the caller's side: a record goes to the journal, else to bounded memory, else whole to the log. Never raises, never waits long.

Bringing it to the database is left to the writer's thread.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

from agentcore_metering.core.ports import Clock
from agentcore_metering.core.types import AttemptRecord, AttemptStart
from agentcore_metering.delivery.faults import Fault
from agentcore_metering.delivery.journal import Journal, JournalBusy, JournalFull
from agentcore_metering.delivery.quarantine import tell_whole
from agentcore_metering.delivery.throttle import LogThrottle

__all__ = ["MEMORY_RECORDS", "Intake"]

logger = logging.getLogger(__name__)

E = TypeVar("E", AttemptStart, AttemptRecord)

MEMORY_RECORDS = 10_000
HUNG_AFTER_S = 1.0
"""A write that takes longer is the sign of a disk that is about to hang."""
BROKEN_DISK_PAUSE_S = 30.0
FULL_PAUSE_S = 1.0
"""A full disk answers at once, so it is asked often: as long as it is not, a kill costs what is in memory alone."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Intake:
    """Takes records from callers."""

    def __init__(
        self, journal: Journal, clock: Clock, throttle: LogThrottle, memory_records: int = MEMORY_RECORDS
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._throttle = throttle
        self._limit = memory_records
        self.reset()

    def reset(self) -> None:
        """Begin with nothing: what is in memory belongs to somebody else."""
        self.accepted = 0
        """Records that were put to memory."""
        self.settled = 0
        """Those of them that are delivered."""
        self.dropped = 0
        """Records that only the log has."""
        self.faults: Counter[Fault] = Counter()
        self._lock = threading.RLock()
        self._memory: deque[AttemptRecord] = deque()
        self._skip_journal_until_s = float("-inf")

    def take_start(self, start: AttemptStart) -> None:
        """Put an attempt's start to the journal; where that fails there will be no row if the process dies before its end."""
        self._journaled(self._journal.append_start, start)

    def take_end(self, record: AttemptRecord) -> None:
        """Keep an attempt's record: on disk, else in memory, else in the log."""
        if not self._journaled(self._journal.append_end, record):
            self._remember(record)

    @property
    def backlog(self) -> int:
        """Records in memory."""
        return len(self._memory)

    def oldest(self) -> AttemptRecord | None:
        """The record that has been in memory longest, or None."""
        return next(iter(self.peek(1)), None)

    def peek(self, count: int) -> list[AttemptRecord]:
        """Up to `count` of the oldest records in memory. They stay there."""
        with self._lock:
            return list(islice(self._memory, count))

    def settle(self, records: Sequence[AttemptRecord]) -> None:
        """These, the oldest records in memory, are delivered."""
        for record in records:
            with self._lock:
                self._memory.popleft()
                self.settled += 1
            with contextlib.suppress(JournalBusy):  # its start stays longer than it need
                self._journal.forget(record.id)

    def give_up(self) -> None:
        """The process ends: what is in memory goes to the journal after all, or to the log."""
        while records := self.peek(1):
            try:
                self._journal.append_end(records[0])
            except Exception as exc:  # noqa: BLE001 - whatever the journal cannot do, the log can
                self._drop(records[0], f"the process ends and the journal cannot be written: {exc}")
            self.settle(records)

    def _journaled(self, append: Callable[[E], None], entry: E) -> bool:
        began_s = self._clock.monotonic_s()
        if began_s < self._skip_journal_until_s:
            return False
        try:
            append(entry)
        except OSError as exc:
            is_full = isinstance(exc, JournalFull) or exc.errno in _FULL
            self.faults[Fault.JOURNAL_FULL if is_full else Fault.JOURNAL_UNWRITABLE] += 1
            self._skip_journal(FULL_PAUSE_S if is_full else BROKEN_DISK_PAUSE_S, f"{type(exc).__name__}: {exc}")
            return False
        except Exception as exc:  # noqa: BLE001 - whatever the journal cannot do, memory can
            self.faults[Fault.JOURNAL_UNWRITABLE] += 1
            if self._throttle.is_due("line"):
                logger.warning("Attempt %s has no line in the journal: %s: %s", entry.id, type(exc).__name__, exc)
            return False
        took_s = self._clock.monotonic_s() - began_s
        if took_s > HUNG_AFTER_S:
            self._skip_journal(BROKEN_DISK_PAUSE_S, f"a write took {took_s:.1f} s")
        return True

    def _skip_journal(self, pause_s: float, reason: str) -> None:
        self._skip_journal_until_s = self._clock.monotonic_s() + pause_s
        if self._throttle.is_due("journal"):
            logger.warning(
                "The journal in %s cannot be used and is tried again in %.0f s; usage records wait in memory (up to %d): %s",
                self._journal.directory,
                pause_s,
                self._limit,
                reason,
            )

    def _remember(self, record: AttemptRecord) -> None:
        with self._lock:
            has_room = len(self._memory) < self._limit
            if has_room:
                self._memory.append(record)
                self.accepted += 1
        if not has_room:
            self._drop(record, f"the journal cannot be written and {self._limit} records wait in memory already")

    def _drop(self, record: AttemptRecord, reason: str) -> None:
        with self._lock:
            self.dropped += 1
        tell_whole(record, reason)
