"""Owns the verdict: which figures differ by how much, and whether that is beyond what was agreed to.

Rows and counters may differ by a tolerance; rollups are the sums of rows, or they are wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.reconcile.causes import Cause, find_causes
from agentcore_metering.adapters.django.reconcile.engine import MetricsEngine
from agentcore_metering.adapters.django.reconcile.figures import (
    Figures,
    Hours,
    Key,
    figures_of_counters,
    figures_of_rows,
)
from agentcore_metering.adapters.django.rollups.verify import VerifySummary, verify

__all__ = ["TOLERANCE", "Difference", "Reconciliation", "reconcile"]

TOLERANCE = Decimal("0.01")
_EXACT = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure as both sides say it."""

    key: Key
    rows: Decimal
    counters: Decimal
    hour: datetime | None = None
    """None: of all hours together."""

    @property
    def amount(self) -> Decimal:
        """Rows less counters: above 0 where the counters lack something."""
        return self.rows - self.counters

    def is_beyond(self, tolerance: Decimal) -> bool:
        """Whether it is more than that part of the larger side; what floats cannot tell apart is no difference."""
        return abs(self.amount) > max(tolerance * max(abs(self.rows), abs(self.counters)), _EXACT)

    def as_document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        document = {
            "figure": self.key.figure,
            "model": self.key.model,
            "currency": self.key.currency or None,
            "rows": f"{self.rows:f}",
            "counters": f"{self.counters:f}",
            "difference": f"{self.amount:f}",
        }
        return document if self.hour is None else {"hour": self.hour.isoformat(), **document}


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a comparison came to."""

    hours: Hours
    tolerance: Decimal
    totals: tuple[Difference, ...]
    """Of all hours, by figure, model and currency; equal ones too."""
    differing_hours: tuple[Difference, ...]
    """Single hours beyond the tolerance. What one lacks the next may have too much: exports come after calls."""
    causes: tuple[Cause, ...]
    """Looked for only where a total is beyond the tolerance."""
    rollups: VerifySummary
    """Every bucket of the hours that a rollup is in use for, held against its rows."""

    @property
    def agrees(self) -> bool:
        """Whether rows and counters do within the tolerance, and rows and rollups exactly."""
        return not self.beyond and not self.rollups.differences

    @property
    def beyond(self) -> tuple[Difference, ...]:
        """The totals that differ by more than the tolerance."""
        return tuple(each for each in self.totals if each.is_beyond(self.tolerance))

    def as_document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "from": self.hours.start.isoformat(),
            "to": self.hours.end.isoformat(),
            "tolerance": f"{self.tolerance:f}",
            "agree": self.agrees,
            "totals": [each.as_document() for each in self.totals],
            "differing_hours": [each.as_document() for each in self.differing_hours],
            "causes": [{"code": cause.code, "detail": cause.detail} for cause in self.causes],
            "rollups": {
                "buckets": self.rollups.buckets,
                "differing": [
                    {"table": each.table, "grain": each.grain.name.lower(), "bucket": each.bucket.isoformat()}
                    for each in self.rollups.differences
                ],
            },
        }


def reconcile(
    engine: MetricsEngine,
    hours: Hours,
    service: str | None = None,
    tolerance: Decimal = TOLERANCE,
    on_buckets: Callable[[int, int], None] = lambda compared, total: None,
) -> Reconciliation:
    """Compare rows with counters, and with rollups, of whole hours. Reads only. Raises MetricsUnavailable.

    `on_buckets` is told how many of how many buckets of rollups are compared, which is what takes long.
    """
    rows, counters = figures_of_rows(hours), figures_of_counters(engine, hours, service)
    totals = tuple(_totals(rows, counters))
    single = (
        Difference(key, rows.get((hour, key), Decimal(0)), counters.get((hour, key), Decimal(0)), hour)
        for hour, key in sorted({*rows, *counters})
    )
    is_beyond = any(each.is_beyond(tolerance) for each in totals)
    return Reconciliation(
        hours,
        tolerance,
        totals,
        tuple(each for each in single if each.is_beyond(tolerance)),
        tuple(find_causes(engine, hours, service)) if is_beyond else (),
        verify(metering_settings.DATABASE_ALIAS, start=hours.start, end=hours.end, on_stretch=on_buckets),
    )


def _totals(rows: Figures, counters: Figures) -> Iterable[Difference]:
    summed: tuple[dict[Key, Decimal], dict[Key, Decimal]] = (defaultdict(Decimal), defaultdict(Decimal))
    for side, figures in zip(summed, (rows, counters), strict=True):
        for (_, key), value in figures.items():
            side[key] += value
    of_rows, of_counters = summed
    for key in sorted({*of_rows, *of_counters}):
        yield Difference(key, of_rows.get(key, Decimal(0)), of_counters.get(key, Decimal(0)))
