"""Marks set on purpose, and marks taken away: beside the triggers, the only writer of that table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import connections

from agentcore_metering.adapters.django.models import RollupMark
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.cells import USAGE_TABLE
from agentcore_metering.adapters.django.rollups.cubes import CUBES
from agentcore_metering.adapters.django.rollups.dialects import dialect_of
from agentcore_metering.adapters.django.rollups.statements import execute, rows_of, to_time

__all__ = ["mark_cells_between", "mark_hours", "mark_rows_between", "take_marks"]

_TABLE = RollupMark._meta.db_table


def mark_hours(using: str, hours: Iterable[datetime]) -> None:
    """Mark these hours, whether they have rows or not."""
    RollupMark.objects.using(using).bulk_create(RollupMark(hour=hour) for hour in hours)


def mark_rows_between(using: str, start: datetime, end: datetime) -> int:
    """Mark each hour of this stretch that has a row; how many."""
    hour = dialect_of(connections[using].vendor).bucket[Grain.HOUR].format("created_at")
    return execute(
        using,
        f"INSERT INTO {_TABLE} (hour) SELECT DISTINCT {hour} FROM {USAGE_TABLE} "
        "WHERE created_at >= %s AND created_at < %s",
        [start, end],
    )


def mark_cells_between(using: str, start: datetime, end: datetime) -> None:
    """Mark the first hour of each bucket of this stretch that has a cell: rows may no longer be where a cell is."""
    for cube in CUBES:
        execute(
            using,
            f"INSERT INTO {_TABLE} (hour) SELECT DISTINCT bucket FROM {cube.table} WHERE bucket >= %s AND bucket < %s",
            [start, end],
        )


def take_marks(using: str, start: datetime, end: datetime) -> list[datetime]:
    """Take away the marks of this stretch; their hours, in order.

    One statement, so what it takes is what it has seen: a mark that is committed later stays. Only then may the hours be summed up.
    """
    taken = rows_of(
        using,
        f"DELETE FROM {_TABLE} WHERE hour >= %s AND hour < %s RETURNING hour",
        [start, end],
    )
    return sorted({to_time(hour) for (hour,) in taken})
