"""Deleting what is older than the policy keeps: rows of usage and of the older aggregated series, a batch at a time.

Rows that are summed up go by whole days, once their sums are kept: figures outlive rows. Where the usage table has a table for each
month, one whose rows are all to go is dropped whole, and its rows wait until then.

By the ORM, because rows of the host's own apps may point at usage rows and Django alone knows what becomes of those. When it runs is
left to tasks and commands.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.policy import read_policy
from agentcore_metering.adapters.django.models import LLMUsage, LLMUsageSeries
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.partitions.ddl import Busy
from agentcore_metering.adapters.django.partitions.layout import is_partitioned
from agentcore_metering.adapters.django.partitions.upkeep import drop_old, old_months, outside_of_months
from agentcore_metering.adapters.django.rollups.grains import floor
from agentcore_metering.adapters.django.rollups.keeping import drop_marks, has_sums, keep_sums

__all__ = ["DEFAULT_BATCH_SIZE", "RetentionResult", "apply_retention", "preview_retention"]

logger = logging.getLogger(__name__)

DEFAULT_BATCH_SIZE = 2000
"""Rows in one transaction: locked for some tens of milliseconds."""

_FIRST = datetime(1, 1, 2, tzinfo=UTC)
"""The first moment that every time zone can say."""


@dataclass(frozen=True, slots=True)
class RetentionResult:
    """What was deleted."""

    cutoff: datetime
    """Rows from before it were to go."""
    retention_days: int
    deleted_usage: int = 0
    deleted_series: int = 0
    is_complete: bool = True
    """False: the time was up before everything was deleted, and the next run goes on."""
    dropped_tables: tuple[str, ...] = ()
    """Partitions that went whole; `deleted_usage` does not count their rows."""
    skipped: str | None = None
    """Why nothing was done: `cleanup_disabled` or `invalid_retention_days`."""

    @property
    def deleted(self) -> int:
        """Rows of both tables."""
        return self.deleted_usage + self.deleted_series


def apply_retention(
    retention_days: int | None = None,
    *,
    batch_size: int = DEFAULT_BATCH_SIZE,
    budget_s: float | None = None,
    now: datetime | None = None,
    monotonic_s: Callable[[], float] = time.monotonic,
    on_batch: Callable[[int], None] = lambda deleted: None,
) -> RetentionResult:
    """Delete what is older than `retention_days` days, oldest first, each batch in a transaction of its own.

    Without `retention_days` the policy says how many, and whether anything is deleted at all. After `budget_s` seconds no further batch
    is begun; None: all of it. `on_batch` is told how many rows are deleted so far. Two runs at once do not disturb each other.
    """
    plan = _plan(retention_days, now)
    cutoff, days = plan.cutoff, plan.retention_days
    if plan.skipped:
        return plan
    ends_s = None if budget_s is None else monotonic_s() + budget_s
    usage_cutoff, is_summed_up = _usage_cutoff(cutoff, now or timezone.now(), budget_s)
    dropped, is_all_dropped, outside = _drop_months(usage_cutoff)
    deleted: dict[str, int] = {}
    for name, batches in (
        ("usage", _batches(LLMUsage.objects.filter(outside), "created_at", usage_cutoff, batch_size)),
        ("series", _batches(LLMUsageSeries.objects.all(), "bucket", cutoff, batch_size)),
    ):
        deleted[name] = 0
        for count in batches:
            deleted[name] += count
            on_batch(sum(deleted.values()))
            if ends_s is not None and monotonic_s() >= ends_s:
                return RetentionResult(cutoff, days, deleted["usage"], deleted.get("series", 0), False, dropped)
    is_complete = is_summed_up and is_all_dropped
    return RetentionResult(cutoff, days, deleted["usage"], deleted["series"], is_complete, dropped)


def _drop_months(cutoff: datetime) -> tuple[tuple[str, ...], bool, models.Q]:
    """The partitions that were dropped, whether those are all that can go, and which rows go by batches."""
    alias = metering_settings.DATABASE_ALIAS
    if not is_partitioned(alias):
        return (), True, models.Q()
    try:
        dropped, is_complete = tuple(drop_old(alias, cutoff)), True
    except Busy as exc:
        logger.warning("A later run drops the partitions from before %s: %s", cutoff, exc)
        dropped, is_complete = (), False
    return dropped, is_complete, outside_of_months(alias)


def preview_retention(retention_days: int | None = None, *, now: datetime | None = None) -> RetentionResult:
    """What `apply_retention` would delete, once everything before is summed up. Changes nothing; counts rows, which may take a while."""
    plan = _plan(retention_days, now)
    if plan.skipped:
        return plan
    alias = metering_settings.DATABASE_ALIAS
    usage_cutoff = floor(Grain.DAY, plan.cutoff.astimezone(UTC)) if has_sums(alias) else plan.cutoff
    dropped, by_batches = _months_to_drop(alias, usage_cutoff)
    return replace(
        plan,
        dropped_tables=dropped,
        deleted_usage=LLMUsage.objects.using(alias).filter(by_batches, created_at__lt=usage_cutoff).count(),
        deleted_series=LLMUsageSeries.objects.using(alias).filter(bucket__lt=plan.cutoff).count(),
    )


def _months_to_drop(alias: str, cutoff: datetime) -> tuple[tuple[str, ...], models.Q]:
    """The partitions that would be dropped, and which rows would go by batches."""
    if not is_partitioned(alias):
        return (), models.Q()
    old = old_months(alias, cutoff)
    by_batches = outside_of_months(alias)
    for one in old:
        if one.start is None:
            # What was there before the table was divided lies in no month; here it goes with its table.
            by_batches &= models.Q(id__gte=one.end)
    return tuple(one.name for one in old), by_batches


def _plan(retention_days: int | None, now: datetime | None) -> RetentionResult:
    """From before when rows are to go, and why none do where that is so."""
    policy = read_policy()
    days = policy.retention_days if retention_days is None else retention_days
    cutoff = _days_before(now or timezone.now(), max(days, 0))
    if retention_days is None and not policy.cleanup_enabled:
        return RetentionResult(cutoff, days, skipped="cleanup_disabled")
    if days <= 0:
        logger.warning("Nothing is deleted: retention_days is %s, but must be above 0", days)
        return RetentionResult(cutoff, days, skipped="invalid_retention_days")
    return RetentionResult(cutoff, days)


def _days_before(now: datetime, days: int) -> datetime:
    """So many days that the calendar does not have them mean all of its days: nothing is old enough."""
    try:
        return now - timedelta(days=days)
    except OverflowError:
        return _FIRST


def _usage_cutoff(cutoff: datetime, now: datetime, budget_s: float | None) -> tuple[datetime, bool]:
    """From before when rows go, and whether that is all of them; nothing goes before it is summed up."""
    alias = metering_settings.DATABASE_ALIAS
    if not has_sums(alias):
        return cutoff, True
    kept_until = keep_sums(alias, cutoff, now=now, budget_s=budget_s)
    is_complete = cutoff - kept_until < timedelta(days=1)
    if not is_complete:
        logger.warning("Rows from %s to %s are not summed up yet; a later run deletes them", kept_until, cutoff)
    return min(cutoff, kept_until), is_complete


def _batches(everything: models.QuerySet[Any], column: str, cutoff: datetime, batch_size: int) -> Iterator[int]:
    """The sizes of the batches, each deleted when it is asked for."""
    alias = metering_settings.DATABASE_ALIAS
    rows = everything.using(alias).filter(**{f"{column}__lt": cutoff}).order_by(column)
    since: datetime | None = None
    while True:
        # From where the last batch ended: what is deleted before it would be stepped over again and again.
        todo = rows if since is None else rows.filter(**{f"{column}__gte": since})
        found = list(todo.values_list("pk", column)[:batch_size])
        if not found:
            return
        since = found[-1][1]
        with transaction.atomic(using=alias):
            _all, by_model = rows.filter(pk__in=[pk for pk, _at in found]).order_by().delete()
            drop_marks(alias)
        yield by_model.get(everything.model._meta.label, 0)
