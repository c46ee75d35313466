"""Owns what a divided table needs from time to time: tables for the months to come, and none for those whose rows are to go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connections
from django.db.models import Q

from agentcore_metering.adapters.django.partitions.ddl import ATTEMPTS, claim, in_short_lock, move, run
from agentcore_metering.adapters.django.partitions.division import MAX_MOVED, drop_proof, has_proof
from agentcore_metering.adapters.django.partitions.layout import OTHER_TABLE, Partition, partitions
from agentcore_metering.adapters.django.partitions.months import (
    TABLE,
    first_id,
    following_month,
    month_of,
    month_table,
    months_from,
)
from agentcore_metering.adapters.django.rollups import triggers
from agentcore_metering.adapters.django.rollups.statements import rows_of

__all__ = ["MONTHS_AHEAD", "drop_old", "keep_up", "missing_months", "old_months", "outside_of_months"]

MONTHS_AHEAD = 3


def missing_months(made: Sequence[Partition], now: datetime, ahead: int = MONTHS_AHEAD) -> list[datetime]:
    """The months, from this one to `ahead` later ones, that have no table yet; none where there are no partitions at all."""
    if not made:
        return []
    starts = {one.start for one in made}
    undivided_until = max((one.end.int for one in made if one.start is None and one.end is not None), default=0)
    months = ((month, first_id(month)) for month in months_from(month_of(now), ahead + 1))
    return [month for month, start in months if start.int >= undivided_until and start not in starts]


def keep_up(using: str, now: datetime, ahead: int = MONTHS_AHEAD, *, attempts: int = ATTEMPTS) -> list[str]:
    """Make the tables of the months to come; the names of new ones. Also ends what a killed division has begun.

    A month of which more than `MAX_MOVED` rows lie in the table for others, because nobody made it in time, is left there.
    Side effects: none where the usage table is not divided and was not being, as on any other database than PostgreSQL. Raises Busy.
    """
    if connections[using].vendor != "postgresql":
        return []
    made = partitions(using)
    todo = missing_months(made, now, ahead)
    if not todo and (made or not has_proof(using)):
        return []
    if not made:
        # Whoever was dividing the table is gone, or he would hold the lock.
        in_short_lock(using, lambda: _drop_proof(using), attempts=attempts)
        return []
    return [
        month_table(month)
        for month in todo
        if in_short_lock(using, lambda month=month: _add_month(using, month), attempts=attempts)  # type: ignore[misc]
    ]


def _drop_proof(using: str) -> None:
    claim(using)
    drop_proof(using, attempts=1)


def _add_month(using: str, month: datetime) -> bool:
    """Attach a new table, which locks only the one for others: its rows are looked at."""
    claim(using)
    if any(one.start == first_id(month) for one in partitions(using)):
        return False
    name, bounds = month_table(month), [first_id(month), first_id(following_month(month))]
    run(using, f"LOCK TABLE {OTHER_TABLE} IN ACCESS EXCLUSIVE MODE")
    inside = "id >= %s AND id < %s"
    if rows_of(using, f"SELECT COUNT(*) FROM {OTHER_TABLE} WHERE {inside}", bounds)[0][0] > MAX_MOVED:
        return False
    run(using, f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL)")
    move(using, OTHER_TABLE, name, inside, bounds)
    run(using, f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{bounds[0]}') TO ('{bounds[1]}')")
    if triggers.are_installed(using):
        triggers.install_on(using, name)
    return True


def drop_old(using: str, cutoff: datetime) -> list[str]:
    """Drop the tables whose rows are all from before `cutoff`; their names. How many rows they had makes no difference. Raises Busy.

    Triggers see nothing of it, so what was summed up stays; whoever calls this has seen to it that all of it was.
    """
    past = _past(using, cutoff)
    return [one.name for one in past if in_short_lock(using, lambda one=one: _drop(using, one, cutoff))]  # type: ignore[misc]


def old_months(using: str, cutoff: datetime) -> list[Partition]:
    """The tables that `drop_old` would drop now."""
    return [one for one in _past(using, cutoff) if not _has_newer(using, one, cutoff)]


def _past(using: str, cutoff: datetime) -> list[Partition]:
    """The months that ended before `cutoff`."""
    return [one for one in partitions(using) if one.end is not None and one.end.int <= first_id(cutoff).int]


def _has_newer(using: str, partition: Partition, cutoff: datetime) -> bool:
    """An attempt that began in this month may have ended in the next; by its end it is kept."""
    return bool(rows_of(using, f"SELECT 1 FROM {partition.name} WHERE created_at >= %s LIMIT 1", [cutoff]))


def _drop(using: str, partition: Partition, cutoff: datetime) -> bool:
    claim(using)
    if _has_newer(using, partition, cutoff):
        return False
    # The parent first, as queries do, or there would be deadlocks; and the look again, since a late row may have come.
    run(using, f"LOCK TABLE ONLY {TABLE} IN ACCESS EXCLUSIVE MODE")
    if _has_newer(using, partition, cutoff):
        return False
    run(using, f"DROP TABLE {partition.name}")
    return True


def outside_of_months(using: str) -> Q:
    """The rows that lie in no month's table: those of retention's batches. All of them where the usage table is not divided."""
    months = [(one.start, one.end) for one in partitions(using) if one.start is not None and one.end is not None]
    outside, low = Q(), UUID(int=0)
    if not months:
        return outside
    for start, end in months:
        if low != start:
            outside |= Q(id__gte=low, id__lt=start)
        low = end
    return outside | Q(id__gte=low)
