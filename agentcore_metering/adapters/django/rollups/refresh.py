"""Owns bringing the rollups up to date: hours that have closed are covered, hours that are marked are summed up anew.

Everything happens in SQL, replaces what was there, and in transactions of a day each; doing it twice changes nothing. Why a figure is
right at any moment in between is told in docs/adr/0010-rollups.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django.db import OperationalError, connections, transaction
from django.db.models import F, Max, QuerySet
from django.utils import timezone

from agentcore_metering.adapters.django.models import RollupCoverage, RollupMark
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups import triggers
from agentcore_metering.adapters.django.rollups.cells import cells_of_cells, cells_of_cube, cells_of_rows, insert_cells
from agentcore_metering.adapters.django.rollups.coverage import Coverage, cover, read_coverage
from agentcore_metering.adapters.django.rollups.cubes import CUBES, Cube
from agentcore_metering.adapters.django.rollups.dialects import DIALECTS, dialect_of
from agentcore_metering.adapters.django.rollups.fives import build_fives, has_fives
from agentcore_metering.adapters.django.rollups.grains import floor, following
from agentcore_metering.adapters.django.rollups.locks import take_turn
from agentcore_metering.adapters.django.rollups.marks import mark_cells_between, mark_rows_between, take_marks
from agentcore_metering.adapters.django.rollups.statements import execute

__all__ = ["RefreshSummary", "preview", "rebuild", "refresh"]

SETTLE = timedelta(minutes=2)
"""After the end of an hour until it is covered. A matter of work, not of truth: a row that comes later is summed up later."""

_CALENDAR = (Grain.DAY, Grain.FIVE_DAYS, Grain.MONTH)
"""Each is summed up from the one before it."""
_CALENDAR_WITHOUT_FIVES = (Grain.DAY, Grain.MONTH)


@dataclass(slots=True)
class RefreshSummary:
    """What a refresh has done."""

    covered_hours: int = 0
    refreshed_hours: int = 0
    """Hours summed up, and with them their days and months."""
    remaining_hours: int = 0
    """Marked hours that are left."""
    is_busy: bool = False
    """Whether another process is at it; then nothing was done here."""
    is_supported: bool = True
    """Whether the database is one that rollups are made for."""


def refresh(
    using: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    now: datetime | None = None,
    budget_s: float | None = None,
    on_step: Callable[[RefreshSummary], None] = lambda summary: None,
) -> RefreshSummary:
    """Cover the hours that closed before `now`, and sum up marked hours from `start` (inclusive) to `end` (exclusive), newest first.

    None leaves a side open; `budget_s` seconds after the beginning no further transaction is begun; `on_step` is told after
    each. Sums of five days that an older release has left behind are made anew where there is no budget. Side effects: transactions
    of its own, none inside of one that is open; triggers that are missing are installed. Raises DatabaseError.
    """
    summary = RefreshSummary(is_supported=connections[using].vendor in DIALECTS)
    if not summary.is_supported:
        return summary
    until_s = time.monotonic() + (float("inf") if budget_s is None else budget_s)
    if not triggers.are_installed(using):
        triggers.install(using)
    if budget_s is None and not has_fives(using):
        _build_fives(using)
    closed = floor(Grain.HOUR, (now or timezone.now()).astimezone(UTC) - SETTLE)
    while time.monotonic() < until_s and _cover_some(using, closed, summary):
        on_step(summary)
    while not summary.is_busy and time.monotonic() < until_s:
        if not _refresh_newest_day(using, start, end, summary):
            break
        on_step(summary)
    summary.remaining_hours = _marked(using, start, end).values("hour").distinct().count()
    return summary


def preview(
    using: str, *, start: datetime | None = None, end: datetime | None = None, now: datetime | None = None
) -> RefreshSummary:
    """What `refresh` would find to do. Changes nothing."""
    summary = RefreshSummary(is_supported=connections[using].vendor in DIALECTS)
    if summary.is_supported:
        coverage = read_coverage(using)
        closed = floor(Grain.HOUR, (now or timezone.now()).astimezone(UTC) - SETTLE)
        if coverage is not None:
            summary.covered_hours = max(0, (closed - coverage.end) // timedelta(hours=1))
        summary.remaining_hours = _marked(using, start, end).values("hour").distinct().count()
    return summary


def rebuild(using: str, start: datetime | None = None, end: datetime | None = None) -> None:
    """Mark every hour of this stretch, so that the next refresh sums it up anew. Without a stretch also the triggers are made anew.

    For what no trigger sees: a restored table, a partition that was dropped, triggers that were disabled for a while.
    """
    if start is None and end is None:
        triggers.install(using)
        return
    first = start or datetime(1, 1, 2, tzinfo=UTC)
    last = end or datetime(9999, 12, 30, tzinfo=UTC)
    with transaction.atomic(using=using):
        mark_rows_between(using, first, last)
        mark_cells_between(using, first, last)


def _begin(using: str, *, is_nested: bool) -> bool:
    """Make this transaction the refresher's."""
    connection = connections[using]
    if connection.vendor == "postgresql" and not is_nested:
        # Each statement has to see what was committed before it; a host may have chosen otherwise for its connections.
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            # Its estimates cannot know the sums' number, and compiling them takes longer than they do.
            cursor.execute("SET LOCAL jit = off")
    return take_turn(using)


def _build_fives(using: str) -> None:
    is_nested = connections[using].in_atomic_block
    with transaction.atomic(using=using):
        if not _begin(using, is_nested=is_nested):
            return
        coverage = read_coverage(using)
        if coverage is not None and not has_fives(using):
            build_fives(using, coverage, timezone.now())


def _cover_some(using: str, closed: datetime, summary: RefreshSummary) -> bool:
    """Cover a stretch of closed hours; False where there is none, or it cannot be covered now."""
    is_nested = connections[using].in_atomic_block
    try:
        with transaction.atomic(using=using):
            if not _begin(using, is_nested=is_nested):
                summary.is_busy = True
                return False
            hours = cover(using, closed)
    except OperationalError as exc:
        if not _is_lock_timeout(exc):
            raise
        return False  # a transaction that wrote a row of these hours is still open: another time
    summary.covered_hours += hours
    return hours > 0


def _refresh_newest_day(using: str, start: datetime | None, end: datetime | None, summary: RefreshSummary) -> bool:
    """Sum up the marked hours of one day; False where there are none."""
    is_nested = connections[using].in_atomic_block
    with transaction.atomic(using=using):
        if not _begin(using, is_nested=is_nested):
            summary.is_busy = True
            return False
        coverage = read_coverage(using)
        newest = _marked(using, start, end).aggregate(newest=Max("hour"))["newest"]
        if coverage is None or newest is None:
            return False
        day = floor(Grain.DAY, newest)
        hours = take_marks(using, day, following(Grain.DAY, day))
        are_fives_kept = has_fives(using)
        _sum_up(using, coverage, day, hours, _CALENDAR if are_fives_kept else _CALENDAR_WITHOUT_FIVES)
        now = timezone.now()
        RollupCoverage.objects.using(using).update(refreshed_at=now, fives_at=now if are_fives_kept else F("fives_at"))
    summary.refreshed_hours += len(hours)
    return True


def _sum_up(using: str, coverage: Coverage, day: datetime, hours: Sequence[datetime], grains: Sequence[Grain]) -> None:
    covered = [hour for hour in hours if coverage.holds(Grain.HOUR, hour)]
    for cube in CUBES:
        if Grain.HOUR in cube.grains and covered:
            _replace_hours(using, cube, covered)
    if coverage.holds(Grain.DAY, day):
        # Those that others are made of first.
        for cube in sorted(CUBES, key=lambda cube: cube.source is not None):
            finer = Grain.HOUR if Grain.HOUR in cube.grains else None
            _replace(using, cube, Grain.DAY, day, finer)
    for finer, grain in pairwise(grains):
        bucket = floor(grain, day)
        # While another of its hours is marked, its sums are not used: who takes that mark away sums them up.
        if coverage.holds(grain, bucket) and not _marked(using, bucket, following(grain, bucket)).exists():
            for cube in CUBES:
                _replace(using, cube, grain, bucket, finer)


def _replace_hours(using: str, cube: Cube, hours: Sequence[datetime]) -> None:
    dialect = dialect_of(connections[using].vendor)
    places = ", ".join(["%s"] * len(hours))
    execute(using, f"DELETE FROM {cube.table} WHERE grain = {int(Grain.HOUR)} AND bucket IN ({places})", hours)
    where = f"created_at >= %s AND created_at < %s AND {dialect.bucket[Grain.HOUR].format('created_at')} IN ({places})"
    bounds = [hours[0], following(Grain.HOUR, hours[-1])]
    insert_cells(using, cube, cells_of_rows(dialect, cube, Grain.HOUR, where), [*bounds, *hours])


def _replace(using: str, cube: Cube, grain: Grain, bucket: datetime, source: Grain | None) -> None:
    """Replace one bucket by the sums of the finer grain `source`, of the cube that it is made of, or of the rows."""
    dialect = dialect_of(connections[using].vendor)
    execute(using, f"DELETE FROM {cube.table} WHERE grain = {int(grain)} AND bucket = %s", [bucket])
    bounds = [bucket, following(grain, bucket)]
    if source is None and cube.source is not None:
        cells = cells_of_cube(cube, cube.source, f"grain = {int(grain)} AND bucket >= %s AND bucket < %s")
    elif source is None:
        cells = cells_of_rows(dialect, cube, grain, "created_at >= %s AND created_at < %s")
    else:
        cells = cells_of_cells(dialect, cube, grain, source, "bucket >= %s AND bucket < %s")
    insert_cells(using, cube, cells, bounds)


def _marked(using: str, start: datetime | None, end: datetime | None) -> QuerySet[RollupMark]:
    """The marks of covered hours: what others say is known when their hours are covered."""
    marks = RollupMark.objects.using(using)
    coverage = read_coverage(using)
    if coverage is None:
        return marks.none()
    first = coverage.first_live if start is None else max(start, coverage.first_live)
    last = coverage.end if end is None else min(end, coverage.end)
    return marks.filter(hour__gte=first, hour__lt=last)


def _is_lock_timeout(exc: OperationalError) -> bool:
    return getattr(exc.__cause__, "sqlstate", None) == "55P03"
