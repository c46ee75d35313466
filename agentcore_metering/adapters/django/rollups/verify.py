"""Owns the proof that rollups say what the rows say: every bucket that is in use, measure by measure, in the database.

Buckets that are marked or not covered are nobody's figures and are left out; so are those whose rows retention has deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connections

from agentcore_metering.adapters.django.models import RollupCoverage, RollupMark
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.cells import cells_of_rows
from agentcore_metering.adapters.django.rollups.coverage import Coverage, read_coverage
from agentcore_metering.adapters.django.rollups.cubes import CUBES, Cube
from agentcore_metering.adapters.django.rollups.dialects import DIALECTS, dialect_of
from agentcore_metering.adapters.django.rollups.fives import HAS_FIVES_SQL, has_fives
from agentcore_metering.adapters.django.rollups.grains import ceil, floor, following
from agentcore_metering.adapters.django.rollups.statements import rows_of, to_time

__all__ = ["Difference", "VerifySummary", "verify"]

_MARK = RollupMark._meta.db_table
_COVERAGE = RollupCoverage._meta.db_table


class Difference(NamedTuple):
    """A bucket whose cells are not the sums of its rows."""

    table: str
    grain: Grain
    bucket: datetime


@dataclass(slots=True)
class VerifySummary:
    """What was compared."""

    buckets: int
    """Buckets in use, of all cubes."""
    differences: list[Difference]


def verify(
    using: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    on_stretch: Callable[[int, int], None] = lambda compared, total: None,
) -> VerifySummary:
    """Compare every bucket in use that begins from `start` (inclusive) to `end` (exclusive) with its rows. Changes nothing.

    `on_stretch` is told how many of how many buckets are compared. Each comparison is one statement, so rows may come and rollups be
    refreshed meanwhile.
    """
    summary = VerifySummary(0, [])
    coverage = read_coverage(using) if connections[using].vendor in DIALECTS else None
    if coverage is None:
        return summary
    left_out = () if has_fives(using) else (Grain.FIVE_DAYS,)
    work = [
        (cube, grain, first, last)
        for cube in CUBES
        for grain in cube.grains
        if grain not in left_out
        for first, last in _stretches(coverage, grain, start, end)
    ]
    total = sum(_count(grain, first, last) for _cube, grain, first, last in work)
    for cube, grain, first, last in work:
        summary.differences += _differences(using, cube, grain, first, last)
        summary.buckets += _count(grain, first, last)
        on_stretch(summary.buckets, total)
    return summary


def _stretches(
    coverage: Coverage, grain: Grain, start: datetime | None, end: datetime | None
) -> Iterator[tuple[datetime, datetime]]:
    """Covered whole buckets, a month of them at a time."""
    first = ceil(grain, max(coverage.first_live, start or coverage.first_live))
    last = floor(grain, min(coverage.end, end or coverage.end))
    while first < last:
        stop = min(last, following(Grain.MONTH, floor(Grain.MONTH, first)))
        yield first, stop
        first = stop


def _count(grain: Grain, first: datetime, last: datetime) -> int:
    count = 0
    while first < last:
        first = following(grain, first)
        count += 1
    return count


def _differences(using: str, cube: Cube, grain: Grain, first: datetime, last: datetime) -> list[Difference]:
    dialect = dialect_of(connections[using].vendor)
    columns = ", ".join(("grain", "bucket", *cube.dimensions, *cube.measures))
    rows = cells_of_rows(dialect, cube, grain, "created_at >= %s AND created_at < %s")
    cells = f"SELECT {columns} FROM {cube.table} WHERE grain = {int(grain)} AND bucket >= %s AND bucket < %s"
    fives = f" AND {HAS_FIVES_SQL}" if grain is Grain.FIVE_DAYS else ""
    marked = dialect.bucket[grain].format("hour")
    found = rows_of(
        using,
        f"WITH of_rows ({columns}) AS ({rows}), of_cells AS ({cells}) SELECT DISTINCT bucket FROM ("
        "SELECT * FROM (SELECT * FROM of_rows EXCEPT SELECT * FROM of_cells) AS missing "
        "UNION ALL SELECT * FROM (SELECT * FROM of_cells EXCEPT SELECT * FROM of_rows) AS wrong) AS different "
        f"WHERE bucket NOT IN (SELECT {marked} FROM {_MARK} WHERE hour >= %s AND hour < %s) "
        f"AND EXISTS (SELECT 1 FROM {_COVERAGE} WHERE covered_from <= %s AND covered_until >= %s{fives}) ORDER BY bucket",
        [first, last] * 4,
    )
    return [Difference(cube.table, grain, to_time(bucket)) for (bucket,) in found]
