"""When a copy of stored rows may still be used: 30 seconds, not at all after a write of this process, an hour while the database is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from agentcore_metering.adapters.django.models.changes import generation

__all__ = ["Freshness", "Stamp"]

FRESH_S = 30.0
STALE_IF_ERROR_S = 3600.0


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

    def stamp(self) -> Stamp:
        """For a copy that is about to be read: a write in the meantime makes it due again."""
        return Stamp(self._monotonic_s(), generation(self._table))

    def is_fresh(self, stamp: Stamp | None) -> bool:
        """Whether the copy may be used without a look at the database."""
        if stamp is None or stamp.generation != generation(self._table):
            return False
        return self._monotonic_s() - stamp.read_s < FRESH_S

    def is_usable(self, stamp: Stamp | None) -> bool:
        """Whether the copy may be used because the database cannot be asked."""
        return stamp is not None and self._monotonic_s() - stamp.read_s < STALE_IF_ERROR_S
