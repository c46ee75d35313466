"""Owns which hours are covered, that is, leave a mark when a row of them is written; and how closed hours come to be covered.

Covering an hour says nothing of its sums: it is marked at once, and `refresh` sums it up later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, Min, QuerySet

from agentcore_metering.adapters.django.models import LLMUsage, RollupCoverage, UsageRollup
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.cubes import CUBES
from agentcore_metering.adapters.django.rollups.grains import floor, following
from agentcore_metering.adapters.django.rollups.locks import lock_hours
from agentcore_metering.adapters.django.rollups.marks import mark_hours, mark_rows_between
from agentcore_metering.adapters.django.rollups.statements import execute

__all__ = ["Coverage", "cover", "read_coverage", "read_kept_until"]

STRETCH = timedelta(days=7)
"""Hours that are covered in one transaction: their writers wait for it."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The covered hours: a half-open stretch, in UTC."""

    start: datetime
    end: datetime
    kept_until: datetime | None = None
    """Before it marks mean nothing: the rows are gone, and their sums stay."""

    @property
    def first_live(self) -> datetime:
        """The first covered hour whose sums follow its rows."""
        return self.start if self.kept_until is None else max(self.start, self.kept_until)

    def holds(self, grain: Grain, bucket: datetime) -> bool:
        """Whether all hours of a bucket are covered."""
        return self.start <= bucket and following(grain, bucket) <= self.end


def read_coverage(using: str) -> Coverage | None:
    """What is covered; None where nothing is."""
    row = RollupCoverage.objects.using(using).values_list("covered_from", "covered_until", "kept_until").first()
    if row is None or row[0] is None or row[1] is None:
        return None
    return Coverage(row[0], row[1], row[2])


def read_kept_until(using: str) -> datetime | None:
    """Until when sums outlive their rows; None where retention has deleted none that were summed up."""
    return RollupCoverage.objects.using(using).values_list("kept_until", flat=True).first()


def cover(using: str, until: datetime) -> int:
    """Cover one more stretch of what lies before `until`; the number of hours. 0: there is nothing left to cover.

    To be called in a transaction that holds the refresher's lock.
    """
    coverage = read_coverage(using)
    if coverage is None:
        return _begin(using, until)
    stretch = _later(using, coverage, until) or _earlier(using, coverage)
    if stretch is None:
        return 0
    start, end = stretch
    hours = (end - start) // timedelta(hours=1)
    lock_hours(using, start, hours)
    RollupCoverage.objects.using(using).update(
        covered_from=min(start, coverage.start), covered_until=max(end, coverage.end)
    )
    mark_rows_between(using, start, end)
    # The day and the month that this may make complete are summed up with one of their new hours, be it an empty one.
    mark_hours(using, [_first_live(coverage.kept_until, start, end)])
    return hours


def _begin(using: str, until: datetime) -> int:
    """Cover nothing yet, but from somewhere: the month of the first row, or of the first sum that has outlived its rows."""
    kept_until = read_kept_until(using)
    rows_first = _rows(using).aggregate(first=Min("created_at"))["first"]
    kept_first = None
    if kept_until is not None:
        # Every cube has the same days.
        kept_first = (
            UsageRollup.objects.using(using).filter(bucket__lt=kept_until).aggregate(first=Min("bucket"))["first"]
        )
    first = min((end for end in (rows_first, kept_first) if end is not None), default=None)
    if first is None or first >= until:
        return 0
    for cube in CUBES:
        if kept_until is None:
            execute(using, f"DELETE FROM {cube.table}")
        else:
            execute(using, f"DELETE FROM {cube.table} WHERE bucket >= %s", [kept_until])
    start = floor(Grain.MONTH, first)
    known = RollupCoverage.objects.using(using)
    if not known.update(covered_from=start, covered_until=start):
        known.create(covered_from=start, covered_until=start)  # its row is gone when a test case has emptied all tables
    return cover(using, until)


def _first_live(kept_until: datetime | None, start: datetime, end: datetime) -> datetime:
    """The first hour of a stretch whose mark means something."""
    return kept_until if kept_until is not None and start <= kept_until < end else start


def _later(using: str, coverage: Coverage, until: datetime) -> tuple[datetime, datetime] | None:
    end = floor(Grain.HOUR, until)
    if end <= coverage.end:
        return None
    rows = _rows(using).filter(created_at__gte=coverage.end, created_at__lt=end)
    first = rows.aggregate(first=Min("created_at"))["first"]
    # Hours without rows cost nothing.
    return coverage.end, end if first is None else min(end, floor(Grain.HOUR, first) + STRETCH)


def _earlier(using: str, coverage: Coverage) -> tuple[datetime, datetime] | None:
    last = _rows(using).filter(created_at__lt=coverage.start).aggregate(last=Max("created_at"))["last"]
    return None if last is None else (floor(Grain.MONTH, last), coverage.start)


def _rows(using: str) -> QuerySet[LLMUsage]:
    return LLMUsage.objects.using(using)
