"""Owns whether the sums of five days follow those of single days, and how they come to do so. They are summed up further by `refresh`.

They came later than the others, so a process of an older release may refresh beside this one and not know them. It moves
`refreshed_at` and leaves `fives_at`: from then on they are not read, and sums are right, only slower, until `build_fives`.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connections
from django.db.models import F, Min, Q

from agentcore_metering.adapters.django.models import RollupCoverage, UsageRollup
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.cells import cells_of_cells, insert_cells
from agentcore_metering.adapters.django.rollups.coverage import Coverage
from agentcore_metering.adapters.django.rollups.cubes import CUBES, Cube
from agentcore_metering.adapters.django.rollups.dialects import dialect_of
from agentcore_metering.adapters.django.rollups.grains import floor, following
from agentcore_metering.adapters.django.rollups.statements import execute

__all__ = ["HAS_FIVES_SQL", "build_fives", "has_fives"]

# Both are unknown where nothing has ever been summed up.
HAS_FIVES_SQL = "(fives_at = refreshed_at OR (fives_at IS NULL AND refreshed_at IS NULL))"
"""True in the coverage's row where the sums of five days hold as those of a day do."""

_HOLDS = Q(fives_at=F("refreshed_at")) | Q(fives_at=None, refreshed_at=None)


def has_fives(using: str) -> bool:
    """Whether they are to be kept up with the days."""
    return RollupCoverage.objects.using(using).filter(_HOLDS).exists()


def build_fives(using: str, coverage: Coverage, now: datetime) -> None:
    """Make all of them from the days. To be called in a transaction that holds the refresher's lock.

    Those that are marked are made of days that do not hold either, and are summed up anew with these. Takes seconds for a
    million cells.
    """
    for cube in CUBES:
        execute(using, f"DELETE FROM {cube.table} WHERE grain = {int(Grain.FIVE_DAYS)}")
    first = UsageRollup.objects.using(using).filter(grain=Grain.DAY).aggregate(first=Min("bucket"))["first"]
    if first is not None:
        month, end = floor(Grain.MONTH, first), floor(Grain.FIVE_DAYS, coverage.end)
        while month < end:
            after = following(Grain.MONTH, month)
            for cube in CUBES:
                _insert(using, cube, month, min(after, end))
            month = after
    RollupCoverage.objects.using(using).update(refreshed_at=now, fives_at=now)


def _insert(using: str, cube: Cube, start: datetime, end: datetime) -> None:
    dialect = dialect_of(connections[using].vendor)
    cells = cells_of_cells(dialect, cube, Grain.FIVE_DAYS, Grain.DAY, "bucket >= %s AND bucket < %s")
    insert_cells(using, cube, cells, [start, end])
