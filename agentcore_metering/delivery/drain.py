"""Owns one delivery pass: memory, then the journal, then dead processes' segments; and what is known of the database from it.

When the next pass comes, and in which thread, is left to `writer`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agentcore_metering.core.ports import Clock
from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.adoption import Adopter
from agentcore_metering.delivery.intake import Intake
from agentcore_metering.delivery.journal import Chunk, Journal
from agentcore_metering.delivery.settlement import BATCH_ROWS, Settlement
from agentcore_metering.delivery.store import StoreUnavailable
from agentcore_metering.delivery.throttle import LogThrottle

__all__ = ["Drain", "Sources"]

logger = logging.getLogger(__name__)

ADOPTION_INTERVAL_S = 1.0
CHUNKS_PER_PASS = 20
SLOW_WRITE_S = 5.0
"""A write that takes longer than this is told as a database that is down."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where undelivered records are."""

    intake: Intake
    journal: Journal
    adopter: Adopter


class Drain:
    """Brings records from their sources into the settlement. One pass at a time, whoever asks for it."""

    def __init__(
        self,
        sources: Sources,
        settlement: Settlement,
        clock: Clock,
        throttle: LogThrottle,
        on_progress: Callable[[], None],
    ) -> None:
        self._intake = sources.intake
        self._journal = sources.journal
        self._adopter = sources.adopter
        self._settlement = settlement
        self._clock = clock
        self._throttle = throttle
        self._on_progress = on_progress
        self.reset()

    def reset(self) -> None:
        """Know nothing of the database."""
        self.unreadable_lines = 0
        """Lines of this process's own journal that could not be read back."""
        self._lock = threading.RLock()
        self._adoption_due_s = float("-inf")
        self._writing_since_s: float | None = None
        self._last_write_s: float | None = None
        self._has_failed = False

    @property
    def is_database_down(self) -> bool:
        """Whether the last attempt to write failed, or one has been under way for more than `SLOW_WRITE_S` seconds."""
        since_s = self._writing_since_s
        return self._has_failed or (since_s is not None and self._clock.monotonic_s() - since_s > SLOW_WRITE_S)

    @property
    def idle_s(self) -> float | None:
        """Seconds since the last write, or None where there was none."""
        return None if self._last_write_s is None else self._clock.monotonic_s() - self._last_write_s

    def run_once(self) -> bool:
        """One pass; whether anything was delivered. Raises StoreUnavailable; everything is kept then."""
        with self._lock:
            has_moved = self._drain_memory()
            has_moved |= self._drain_journal()
            if self._clock.monotonic_s() >= self._adoption_due_s:
                has_moved |= self.adopt_once() > 0
            return has_moved

    def adopt_once(self) -> int:
        """Deliver what dead processes have left; the number of segments. Raises StoreUnavailable."""
        with self._lock:
            self._adoption_due_s = self._clock.monotonic_s() + ADOPTION_INTERVAL_S
            return self._adopter.adopt(self._deliver)

    def _drain_memory(self) -> bool:
        has_moved = False
        while records := self._intake.peek(BATCH_ROWS):
            self._deliver(records)
            self._intake.settle(records)
            self._on_progress()
            has_moved = True
        return has_moved

    def _drain_journal(self) -> bool:
        has_moved = False
        try:
            self._journal.check()
            for _ in range(CHUNKS_PER_PASS):
                chunk = self._journal.read()
                if chunk is None:
                    break
                self._deliver_chunk(chunk)
                self._on_progress()
                has_moved = True
        except OSError as exc:
            if self._throttle.is_due("read"):
                logger.warning("The journal in %s cannot be read: %s", self._journal.directory, exc)
        return has_moved

    def _deliver_chunk(self, chunk: Chunk) -> None:
        """Deliver, then acknowledge: the other way round a crash in between would lose the records."""
        self._deliver(chunk.records)
        self._journal.acknowledge(chunk)
        self.unreadable_lines += chunk.unreadable_lines

    def _deliver(self, records: Sequence[AttemptRecord]) -> None:
        if not records:
            return
        self._writing_since_s = self._clock.monotonic_s()
        try:
            self._settlement.deliver(records)
        except StoreUnavailable:
            self._has_failed = True
            raise
        finally:
            self._writing_since_s = None
        self._has_failed = False
        self._last_write_s = self._clock.monotonic_s()
