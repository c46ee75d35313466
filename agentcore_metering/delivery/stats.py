"""How the side-channel stands, as one value for people, checks and commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agentcore_metering.delivery.faults import Fault

__all__ = ["WriterStats"]


@dataclass(frozen=True, slots=True)
class WriterStats:
    """How the side-channel of this process stands. Counts are since its start, or its fork."""

    backlog_records: int
    """Own records on their way to the database."""
    backlog_bytes: int
    """Those of them that are in the journal."""
    oldest_age_s: float | None
    """Since the oldest of them ended; None where there are none."""
    written: int
    repaired: int
    quarantined: int
    dropped: int
    """Records that only the log has."""
    interrupted: int
    adopted: int
    """Segments of dead processes."""
    unreadable_lines: int
    is_database_down: bool
    faults: Mapping[Fault, int]
    """What went wrong on the way of records that were kept all the same."""
