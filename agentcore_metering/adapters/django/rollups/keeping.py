"""Owns how sums outlive the rows that retention deletes: the moment until which they are kept, and what marks still mean before it.

Before `kept_until` the sums are all there is: they are no longer summed up anew, whatever is marked. Deleting is left to `retention`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connections, transaction
from django.db.models import Max, Min

from agentcore_metering.adapters.django.models import LLMUsage, RollupCoverage, RollupMark, UsageRollup, UserRollup
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.coverage import Coverage, read_coverage, read_kept_until
from agentcore_metering.adapters.django.rollups.dialects import DIALECTS
from agentcore_metering.adapters.django.rollups.grains import floor
from agentcore_metering.adapters.django.rollups.locks import take_turn
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.rollups.triggers import are_installed

__all__ = ["drop_marks", "has_sums", "keep_sums", "kept_buckets"]


def has_sums(using: str) -> bool:
    """Whether anything has been summed up here, that deleting rows would take from the figures."""
    if connections[using].vendor not in DIALECTS:
        return False
    return read_coverage(using) is not None or read_kept_until(using) is not None


def keep_sums(using: str, cutoff: datetime, *, now: datetime, budget_s: float | None = None) -> datetime:
    """Sum up the whole UTC days before `cutoff`, and keep them for ever; the midnight until which that is done.

    A day is kept as a whole, because most sums have no finer part. Earlier than the cutoff's day where rows before it are not summed up
    yet: another process is at it, or the time was up. Rows before the answer may be deleted without a figure being lost.
    Side effects: those of `refresh`. Raises DatabaseError.
    """
    day = floor(Grain.DAY, cutoff.astimezone(UTC))
    refresh(using, end=day, now=now, budget_s=budget_s)
    first = datetime(1, 1, 2, tzinfo=UTC)
    with transaction.atomic(using=using):
        is_alone = take_turn(using)
        kept_until = read_kept_until(using) or first
        coverage = read_coverage(using)
        if not is_alone or coverage is None or not are_installed(using) or _has_uncovered_rows(using, coverage):
            return kept_until
        summed_until = max(kept_until, min(day, _summed_until(using, coverage)))
        RollupCoverage.objects.using(using).update(kept_until=summed_until)
        return summed_until


def drop_marks(using: str) -> None:
    """Take away the marks that mean nothing: those that deleting a row leaves whose sums are kept."""
    kept_until = read_kept_until(using)
    if kept_until is not None:
        RollupMark.objects.using(using).filter(hour__lt=kept_until).delete()


def kept_buckets(using: str, user_pk: Any = None) -> tuple[datetime, datetime] | None:
    """The first and the last kept day that has sums, of one user or of everybody; None where none is kept."""
    kept_until = read_kept_until(using) if connections[using].vendor in DIALECTS else None
    if kept_until is None:
        return None
    days = (UsageRollup.objects if user_pk is None else UserRollup.objects.filter(user_id=user_pk)).using(using)
    ends = days.filter(grain=Grain.DAY, bucket__lt=kept_until).aggregate(first=Min("bucket"), last=Max("bucket"))
    return None if ends["first"] is None else (ends["first"], ends["last"])


def _has_uncovered_rows(using: str, coverage: Coverage) -> bool:
    first_row = LLMUsage.objects.using(using).aggregate(first=Min("created_at"))["first"]
    return first_row is not None and first_row < coverage.start


def _summed_until(using: str, coverage: Coverage) -> datetime:
    """The midnight before which every covered hour holds."""
    marks = RollupMark.objects.using(using).filter(hour__gte=coverage.first_live)
    oldest_mark = marks.aggregate(oldest=Min("hour"))["oldest"]
    end = coverage.end if oldest_mark is None else min(coverage.end, oldest_mark)
    return floor(Grain.DAY, end)
