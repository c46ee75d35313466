"""Rows in batches, oldest first, each batch a query of its own that begins behind the last row of the one before.

So an export of any length holds no transaction, no cursor and no more than one batch: a client who goes away ends it at the next batch,
and a pooler between us and the database is no hindrance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Q

from agentcore_metering.adapters.django.exports.columns import ROW_KEY, Column
from agentcore_metering.adapters.django.models.querysets import UsageQuerySet
from agentcore_metering.adapters.django.stats.cursors import Cursor
from agentcore_metering.adapters.django.stats.usage_list import NEWEST_FIRST, OLDEST_FIRST, rows_newer_than
from agentcore_metering.core.masking import mask

__all__ = ["Batch", "read_batches"]

BATCH_ROWS = 2_000

Batch = list[tuple[Any, ...]]


def read_batches(rows: UsageQuerySet, columns: Sequence[Column], *, batch_rows: int | None = None) -> Iterator[Batch]:
    """The values of `columns`, which begin with those of `ROW_KEY`, of every row that is there at the start.

    A row that is written meanwhile is not in it where it is newer than all others, and may be in it elsewhere. `batch_rows` is
    `BATCH_ROWS` where it is None.
    """
    size = batch_rows or BATCH_ROWS
    if tuple(columns[: len(ROW_KEY)]) != ROW_KEY:
        raise ValueError(f"the columns begin with {columns[:2]}, not with those that rows are ordered by")
    newest = rows.order_by(*NEWEST_FIRST).values_list("created_at", "id").first()
    if newest is None:
        return
    rows = _up_to(rows, Cursor(*newest)).order_by(*OLDEST_FIRST)
    batch = _read(rows, columns, size)
    while batch:
        yield batch
        if len(batch) < size:
            return
        created_at, row_id, *_others = batch[-1]
        last = Cursor(datetime.fromisoformat(created_at), UUID(row_id))
        batch = _read(rows_newer_than(rows, last), columns, size)


def _up_to(rows: UsageQuerySet, newest: Cursor) -> UsageQuerySet:
    moment = newest.created_at
    return rows.filter(Q(created_at__lt=moment) | Q(id__lte=newest.id), created_at__lte=moment)


def _read(rows: UsageQuerySet, columns: Sequence[Column], limit: int) -> Batch:
    if connections[rows.db].vendor == "postgresql":
        # Named by position: a column may be called as a field of the model is.
        names = {f"column_{index}": column.on_postgresql for index, column in enumerate(columns)}
        batch = list(rows.annotate(**names).values_list(*names)[:limit])
    else:
        fields = [column.field for column in columns]
        batch = [
            tuple(column.in_python(value) for column, value in zip(columns, row, strict=True))
            for row in rows.values_list(*fields)[:limit]
        ]
    return _masked(batch, columns)


def _masked(batch: Batch, columns: Sequence[Column]) -> Batch:
    """The batch with what is shaped like a key masked in errors: rows of older code hold a provider's text as it came."""
    at = next((index for index, column in enumerate(columns) if column.name == "error"), None)
    if at is None:
        return batch
    return [(*row[:at], mask(row[at]), *row[at + 1 :]) if row[at] else row for row in batch]
