"""Owns the insert of many rows by one statement. What becomes of rows that are there already, beyond being left alone, is `rows`'.

Django's own `bulk_create` makes an instance of each row and an expression of each value: twice what the database takes. Here a row is
the values of its columns, the statement's text is made once, and values are stored as Django's fields would store them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import connections, models

from agentcore_metering.adapters.django.models import LLMUsage

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    _Field = models.Field[Any, Any]
else:
    _Field = models.Field

__all__ = ["Row", "insert_new"]

Row = Mapping[str, Any]
"""What the columns of one row hold, by their fields' `attname`. A column that is absent is left to the database."""

_Prepare = Callable[[Any, "BaseDatabaseWrapper"], Any]


class _Column(NamedTuple):
    """How the values of one column become parameters."""

    attname: str
    name: str
    plain: type
    """Values of exactly this type go as they are."""
    prepare: _Prepare
    """For all others but None."""


class _Statement(NamedTuple):
    sql: str
    columns: tuple[_Column, ...]


def insert_new(rows: Sequence[Row], using: str) -> bool:
    """Insert the rows whose primary key is not there yet; False where it is not known that this was each of them.

    All rows have the same columns. Raises what the database raises; then none was inserted.
    """
    connection = connections[using]
    insert = _INSERTS.get(connection.vendor, _insert_by_the_orm)
    return not rows or insert(rows, connection) == len(rows)


def _insert_by_the_orm(rows: Sequence[Row], connection: BaseDatabaseWrapper) -> int:
    made = [LLMUsage(**row) for row in rows]
    LLMUsage.objects.using(connection.alias).bulk_create(made, ignore_conflicts=True)
    return -1


def _insert_into_sqlite(rows: Sequence[Row], connection: BaseDatabaseWrapper) -> int:
    statement = _sqlite_statement(tuple(rows[0]), connection.alias, is_utc=connection.timezone is UTC)
    parameters: list[list[Any]] = [
        [
            value if (value := row[attname]) is None or type(value) is plain else prepare(value, connection)
            for attname, _name, plain, prepare in statement.columns
        ]
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement.sql, parameters)
        return int(cursor.rowcount)


def _insert_into_postgresql(rows: Sequence[Row], connection: BaseDatabaseWrapper) -> int:
    """All rows as one JSON text: placeholders, even one array a column, cost driver and server more than the insert itself."""
    statement = _postgresql_statement(tuple(rows[0]), connection.alias)
    records = [
        {
            name: value if type(value) is plain else prepare(value, connection)
            for attname, name, plain, prepare in statement.columns
            if (value := row[attname]) is not None
        }
        for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, [json.dumps(records, separators=(",", ":"))])
        return int(cursor.rowcount)


_INSERTS: Mapping[str, Callable[[Sequence[Row], BaseDatabaseWrapper], int]] = {
    "sqlite": _insert_into_sqlite,
    "postgresql": _insert_into_postgresql,
}


@cache
def _sqlite_statement(attnames: tuple[str, ...], alias: str, *, is_utc: bool) -> _Statement:
    fields = _fields(attnames)
    values = ", ".join(["%s"] * len(fields))
    # No OR IGNORE, which would leave out in silence a row that breaks any other constraint, too.
    sql = f"INSERT INTO {_target(fields, alias)} VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608 - names from the model, values bound
    return _Statement(sql, tuple(_column(field, _sqlite_prepare(field, is_utc=is_utc)) for field in fields))


@cache
def _postgresql_statement(attnames: tuple[str, ...], alias: str) -> _Statement:
    fields = _fields(attnames)
    quote = connections[alias].ops.quote_name
    # Without the length in `varchar(200)`, which would cut a longer text in silence.
    types = [str(field.db_type(connections[alias])).split("(")[0] for field in fields]
    names = ", ".join(f"{quote(str(field.column))} {name}" for field, name in zip(fields, types, strict=True))
    sql = (
        f"INSERT INTO {_target(fields, alias)} "  # noqa: S608 - names from the model, values bound
        f"SELECT * FROM json_to_recordset(%s::json) AS given ({names}) ON CONFLICT DO NOTHING"
    )
    return _Statement(sql, tuple(_column(field, _postgresql_prepare(field), dict) for field in fields))


def _fields(attnames: Sequence[str]) -> list[_Field]:
    by_attname = {field.attname: field for field in LLMUsage._meta.concrete_fields}
    return [by_attname[attname] for attname in attnames]


def _target(fields: Sequence[_Field], alias: str) -> str:
    quote = connections[alias].ops.quote_name
    return f"{quote(LLMUsage._meta.db_table)} ({', '.join(quote(str(field.column)) for field in fields)})"


_PLAIN: Mapping[type[_Field], type] = {
    models.CharField: str,
    models.TextField: str,
    models.IntegerField: int,
    models.SmallIntegerField: int,
    models.BooleanField: bool,
}


def _column(field: _Field, prepare: _Prepare, json_type: type = NoneType) -> _Column:
    plain = json_type if type(field) is models.JSONField else _PLAIN.get(type(field), NoneType)
    return _Column(field.attname, str(field.column), plain, prepare)


def _sqlite_prepare(field: _Field, *, is_utc: bool) -> _Prepare:
    """What the field itself does, shorter for what comes with every row."""
    save = field.get_db_prep_save
    if type(field) is models.UUIDField:
        return lambda value, connection: value.hex if type(value) is UUID else save(value, connection)
    if type(field) is models.JSONField and field.encoder is None:
        return lambda value, connection: json.dumps(value) if type(value) is dict else save(value, connection)
    if type(field) is models.DateTimeField and is_utc:
        return lambda value, connection: (
            str(value.replace(tzinfo=None))
            if type(value) is datetime and value.tzinfo is UTC
            else save(value, connection)
        )
    return save


def _postgresql_prepare(field: _Field) -> _Prepare:
    """What JSON can hold of the field's value, in a form that the column's type reads."""
    if type(field) is models.JSONField:
        return lambda value, _connection: value
    save = field.get_db_prep_save
    if type(field) is models.UUIDField:
        return lambda value, connection: str(value if type(value) is UUID else save(value, connection))
    if type(field) is models.DateTimeField:
        return lambda value, connection: str(
            value if type(value) is datetime and value.tzinfo is UTC else save(value, connection)
        )
    return lambda value, connection: _as_json(save(value, connection))


def _as_json(saved: Any) -> Any:
    return saved if isinstance(saved, (str, int)) else str(saved)
