"""Owns the insert of many rows by one statement. What becomes of rows that are there already, beyond being left alone, is `rows`'.

Django's own `bulk_create` binds each value of each row: ten thousand placeholders for a batch, which cost more than the database does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections, models
from django.db.models.expressions import DatabaseDefault

from agentcore_metering.adapters.django.models import LLMUsage

__all__ = ["insert_new"]


def insert_new(rows: Sequence[LLMUsage], using: str) -> None:
    """Insert the rows whose primary key is not there yet. Raises what the database raises; then none was inserted."""
    if connections[using].vendor == "postgresql" and len(rows) > 1:
        _insert_by_columns(rows, using)
    else:
        LLMUsage.objects.using(using).bulk_create(rows, ignore_conflicts=True)


def _insert_by_columns(rows: Sequence[LLMUsage], using: str) -> None:
    """One array a column, as Django itself does where all fields are plain ones."""
    connection = connections[using]
    fields = [field for field in LLMUsage._meta.concrete_fields if not _is_left_to_the_database(rows[0], field)]
    arrays = [[field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows] for field in fields]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    # Without the length in `varchar(200)[]`, which would cut a longer text in silence.
    types = [str(field.db_type(connection)).split("(")[0] for field in fields]
    placeholders = ", ".join(f"(%s)::{name}[]" for name in types)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(LLMUsage._meta.db_table)} ({columns}) "  # noqa: S608 - names from the model, values bound
            f"SELECT * FROM UNNEST({placeholders}) ON CONFLICT DO NOTHING",
            arrays,
        )


def _is_left_to_the_database(row: LLMUsage, field: models.Field[Any, Any]) -> bool:
    return isinstance(getattr(row, field.attname), DatabaseDefault)
