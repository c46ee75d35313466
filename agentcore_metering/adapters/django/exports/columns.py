"""The columns of an export: their names, what each holds, and how PostgreSQL writes it as text.

A value is text, a whole number, a boolean or None, the same on every database: moments are ISO 8601 in UTC with microseconds, amounts
are exact decimals with 12 places, JSON is its text. PostgreSQL makes these texts itself, which is several times faster than Python.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.db.models import Expression, F, Func, TextField

from agentcore_metering.adapters.django.stats.shapes import exact_text

__all__ = ["COLUMNS", "ROW_KEY", "Column", "Kind", "columns_named"]


class _AsText(Func):
    template = "(%(expressions)s)::text"
    output_field = TextField()


class _AsMoment(Func):
    template = "to_char((%(expressions)s) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    output_field = TextField()


def moment_text(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and a Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    KEY = "key"
    MOMENT = "moment"
    AMOUNT = "amount"
    JSON = "json"


# What is not here is taken as it comes.
_ON_POSTGRESQL: dict[Kind, type[Func]] = {
    Kind.KEY: _AsText,
    Kind.MOMENT: _AsMoment,
    Kind.AMOUNT: _AsText,
    Kind.JSON: _AsText,
}
_IN_PYTHON: dict[Kind, Callable[[Any], str]] = {
    Kind.KEY: str,
    Kind.MOMENT: moment_text,
    Kind.AMOUNT: exact_text,
    Kind.JSON: _json_text,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    """As files and the API's items call it."""
    kind: Kind
    field: str
    """As the row calls it."""

    @property
    def on_postgresql(self) -> Expression | F:
        """The expression that PostgreSQL answers with the finished value."""
        expression = _ON_POSTGRESQL.get(self.kind)
        return expression(F(self.field)) if expression else F(self.field)

    def in_python(self, value: Any) -> Any:
        """The finished value of what the row's field reads as."""
        finish = _IN_PYTHON.get(self.kind)
        return value if value is None or finish is None else finish(value)


def _column(name: str, kind: Kind, field: str = "") -> Column:
    return Column(name, kind, field or name)


ROW_KEY = (_column("created_at", Kind.MOMENT), _column("id", Kind.KEY))
"""What the rows are ordered by."""

COLUMNS: tuple[Column, ...] = (
    *ROW_KEY,
    _column("call_id", Kind.KEY),
    _column("attempt", Kind.NUMBER),
    _column("user_id", Kind.KEY),
    _column("operation", Kind.TEXT),
    _column("provider", Kind.TEXT),
    _column("model", Kind.TEXT),
    _column("response_model", Kind.TEXT),
    _column("config_uuid", Kind.KEY),
    _column("node_name", Kind.TEXT),
    _column("source_type", Kind.TEXT),
    _column("status", Kind.TEXT),
    _column("success", Kind.BOOLEAN),
    _column("error_type", Kind.TEXT),
    _column("error", Kind.TEXT),
    _column("finish_reason", Kind.TEXT),
    _column("service_tier", Kind.TEXT),
    _column("is_streaming", Kind.BOOLEAN),
    _column("started_at", Kind.MOMENT),
    _column("first_chunk_at", Kind.MOMENT),
    _column("ended_at", Kind.MOMENT),
    _column("prompt_tokens", Kind.NUMBER),
    _column("completion_tokens", Kind.NUMBER),
    _column("total_tokens", Kind.NUMBER),
    _column("cached_tokens", Kind.NUMBER),
    _column("cache_write_tokens", Kind.NUMBER),
    _column("reasoning_tokens", Kind.NUMBER),
    _column("usage_source", Kind.TEXT),
    _column("cost_amount", Kind.AMOUNT, "cost"),
    _column("cost_currency", Kind.TEXT),
    _column("cost_status", Kind.TEXT),
    _column("cost_source", Kind.TEXT),
    _column("trace_id", Kind.TEXT),
    _column("span_id", Kind.TEXT),
    _column("usage_details", Kind.JSON),
    _column("metadata", Kind.JSON),
)


def columns_named(*names: str) -> tuple[Column, ...]:
    """These columns, in this order. Raises KeyError for a name that there is not."""
    by_name = {column.name: column for column in COLUMNS}
    return tuple(by_name[name] for name in names)
