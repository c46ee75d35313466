"""Owns emptying a spool from outside, for a command: what dead processes left, and what living ones leave lying.

One pass after the other in the caller's thread, until nothing is left of what was there at the beginning or the time is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from pathlib import Path

from agentcore_metering.core.clock import SystemClock
from agentcore_metering.core.ports import Clock
from agentcore_metering.delivery.adoption import Adopter
from agentcore_metering.delivery.journal import Journal
from agentcore_metering.delivery.quarantine import Quarantine
from agentcore_metering.delivery.relief import Relief
from agentcore_metering.delivery.settlement import Settlement
from agentcore_metering.delivery.store import RowStore, StoreUnavailable
from agentcore_metering.delivery.survey import SpoolSurvey, survey
from agentcore_metering.delivery.throttle import LogThrottle

__all__ = ["SweepOutcome", "SweepReport", "sweep"]

PAUSE_S = 0.25


class SweepOutcome(IntEnum):
    """How a sweep ended; the exit status of a command that makes one."""

    EMPTY = 0
    """Nothing is left of what was there when it began."""
    LEFT = 1
    DATABASE_AWAY = 2


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep has done, and what it leaves."""

    outcome: SweepOutcome
    written: int
    """Records that the database took, those that it had already included."""
    repaired: int
    quarantined: int
    interrupted: int
    """Attempts whose process died in the middle."""
    adopted_segments: int
    relieved_records: int
    """Of processes that live."""
    left: SpoolSurvey
    reason: str | None
    """What the database said last, where it was away."""


def sweep(
    directory: Path,
    store: RowStore,
    timeout_s: float,
    *,
    clock: Clock | None = None,
    on_pass: Callable[[SpoolSurvey], None] = lambda _left: None,
) -> SweepReport:
    """Deliver everything that is in the spool now, within `timeout_s` seconds; `on_pass` is told what is left between two passes.

    Waits for nothing that began later, so it comes to an end beside processes that make calls all the time. OSError where the
    directory cannot be read.
    """
    clock = clock or SystemClock()
    sweeper = _Sweeper(directory, store, clock)
    began_at, until_s = clock.now(), clock.monotonic_s() + timeout_s
    while True:
        reason = sweeper.run_once()
        left = survey(directory)
        if not _has_left(left, began_at):
            return sweeper.report(SweepOutcome.EMPTY, left, None)
        remaining_s = until_s - clock.monotonic_s()
        if remaining_s <= 0:
            return sweeper.report(SweepOutcome.DATABASE_AWAY if reason else SweepOutcome.LEFT, left, reason)
        on_pass(left)
        clock.sleep(min(PAUSE_S, remaining_s))


class _Sweeper:
    def __init__(self, directory: Path, store: RowStore, clock: Clock) -> None:
        throttle = LogThrottle(clock)
        self._settlement = Settlement(store, Quarantine(directory, clock, throttle))
        # The journal is never written to: it tells the adopter where to look.
        self._adopter = Adopter(Journal(directory), throttle)
        self._relief = Relief(directory, clock, throttle)
        self._relieved = 0

    def run_once(self) -> str | None:
        """What the database said where it is away, else None."""
        try:
            self._adopter.adopt(self._settlement.deliver)
            self._relieved += self._relief.relieve(self._settlement.deliver)
        except StoreUnavailable as exc:
            return str(exc)
        return None

    def report(self, outcome: SweepOutcome, left: SpoolSurvey, reason: str | None) -> SweepReport:
        settlement, adopter = self._settlement, self._adopter
        return SweepReport(
            outcome=outcome,
            written=settlement.written,
            repaired=settlement.repaired,
            quarantined=settlement.quarantined,
            interrupted=adopter.interrupted,
            adopted_segments=adopter.adopted,
            relieved_records=self._relieved,
            left=left,
            reason=reason,
        )


def _has_left(left: SpoolSurvey, began_at: datetime) -> bool:
    oldest = left.oldest_ended_at
    return left.orphaned_segments > 0 or (oldest is not None and oldest <= began_at)
