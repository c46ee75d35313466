"""When a copy of stored rows may still be used: 30 seconds, not at all after a write of this process, an hour while the database is away.

A database that is away is asked again every few seconds: one that hangs holds a call in that time, and not each of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from agentcore_metering.adapters.django.models.changes import generation

__all__ = ["Freshness", "Stamp"]

FRESH_S = 30.0
STALE_IF_ERROR_S = 3600.0
RETRY_S = 5.0
"""Between two looks at a database that is away."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a copy was made, and of which generation of its table."""

    read_s: float
    generation: int


class Freshness:
    """Judges the copies of one table."""

    def __init__(self, table: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._table = table
        self._monotonic_s = monotonic_s
        self._next_look_s = float("-inf")

    def stamp(self) -> Stamp:
        """For a copy that is about to be read: a write in the meantime makes it due again."""
        return Stamp(self._monotonic_s(), generation(self._table))

    def is_fresh(self, stamp: Stamp | None) -> bool:
        """Whether the copy may be used without a look at the database."""
        if stamp is None or stamp.generation != generation(self._table):
            return False
        now_s = self._monotonic_s()
        return now_s - stamp.read_s < (FRESH_S if now_s >= self._next_look_s else STALE_IF_ERROR_S)

    def note_outage(self) -> None:
        """The database could not be asked: for some seconds every copy that is usable counts as fresh."""
        self._next_look_s = self._monotonic_s() + RETRY_S

    def is_usable(self, stamp: Stamp | None) -> bool:
        """Whether the copy may be used because the database cannot be asked."""
        return stamp is not None and self._monotonic_s() - stamp.read_s < STALE_IF_ERROR_S
