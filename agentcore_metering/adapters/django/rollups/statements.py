"""Runs SQL of ours, with times on their way in and out as the database's backend has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connections

__all__ = ["execute", "rows_of", "to_parameter", "to_time"]


def execute(using: str, sql: str, parameters: Sequence[Any] = ()) -> int:
    """Run a statement; how many rows it has written."""
    with connections[using].cursor() as cursor:
        cursor.execute(sql, [to_parameter(using, value) for value in parameters])
        return int(cursor.rowcount)


def rows_of(using: str, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run a statement; its rows as the driver gives them."""
    with connections[using].cursor() as cursor:
        cursor.execute(sql, [to_parameter(using, value) for value in parameters])
        return list(cursor.fetchall())


def to_parameter(using: str, value: Any) -> Any:
    """A time as the backend takes it; anything else as it is."""
    return connections[using].ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def to_time(value: Any) -> datetime:
    """A time as the driver gives it: SQLite's, a text or without a zone, is in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(moment, datetime)  # noqa: S101 - for the type checker
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
