"""Many rows by one statement are, byte for byte, the rows that the ORM would have made one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence import bulk
from agentcore_metering.adapters.django.persistence.bulk import insert_new
from agentcore_metering.adapters.django.persistence.rows import usage_row
from tests.delivery.builders import make_full_record, make_record
from tests.django.builders import make_user

pytestmark = pytest.mark.django_db

ODD_TEXT = "\"'\\ {},%s \t\x01\x7f 你好 \U0001f600 \u2028"
ODD_JSON = {
    "text": ODD_TEXT,
    ODD_TEXT: "as a key",
    "numbers": [0, -1, 2**70, 1e-7, 1.0, 1e22, True, False, None],
    "nested": {"empty": {}, "list": [[], {}], "null": None},
    "": "",
}

TEXTS = (ODD_TEXT, "", "null", "NULL", "1", "  spaces  ")
NUMBERS = (0, 1, -1, 2**31 - 1, -(2**31), True)
TIMES = (
    datetime(2026, 11, 24, 12, 0, 0, 0, UTC),
    datetime(2026, 11, 24, 12, 0, 0, 1, UTC),
    datetime(2026, 11, 24, 12, 0, 0, 999999, UTC),
    datetime(1, 1, 2, tzinfo=UTC),
    datetime(9999, 12, 30, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    datetime(2026, 3, 1, 1, 2, 3, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
)
AMOUNTS = tuple(
    map(Decimal, ("0", "0E-12", "1E-12", "-1E-12", "1.5E-7", "0.1", "9000000.000000000001", "0.0000000000005"))
)
UUIDS = (UUID(int=0), UUID(int=2**128 - 1), UUID("01900000-0000-7000-8000-000000000001"))
OBJECTS = (ODD_JSON, {})

ODD_VALUES: dict[str, tuple[Any, ...]] = {
    "CharField": (*TEXTS, 5),
    "TextField": (*TEXTS, "x" * 100_000, 5),
    "IntegerField": (*NUMBERS, "12"),
    "SmallIntegerField": (0, 1, -1, 2**15 - 1, -(2**15), "12"),
    "BooleanField": (True, False, 1, "False"),
    "UUIDField": (*UUIDS, str(UUIDS[2])),
    "DateTimeField": TIMES,
    "ExactDecimalField": (*AMOUNTS, 3, "0.000000000001"),
    "JSONField": OBJECTS,
}
COLUMNS = [field for field in LLMUsage._meta.concrete_fields if field.attname not in {"id", "user_id", "recorded_at"}]


def stored() -> list[tuple[Any, ...]]:
    """Every column of every row as the database itself tells it, but when it got the row."""
    told = "typeof({0}) || ' ' || quote({0})" if connection.vendor == "sqlite" else "{0}::text"
    names = [connection.ops.quote_name(field.column) for field in LLMUsage._meta.concrete_fields]
    columns = ", ".join(told.format(name) for name in names if "recorded_at" not in name)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM llm_tracker_usage ORDER BY id")
        return cursor.fetchall()


def check_as_one_by_one(rows: list[dict[str, Any]]) -> None:
    """The rows are stored twice, the second time by one statement, and are the same."""
    for row in rows:
        LLMUsage(**row).save(force_insert=True)
    one_by_one = stored()
    LLMUsage.objects.all().delete()

    assert insert_new(rows, "default") == (connection.vendor in {"sqlite", "postgresql"})

    assert stored() == one_by_one
    assert len(one_by_one) == len(rows)
    assert not LLMUsage.objects.filter(recorded_at=None).exists()


def test_rows_are_the_same_as_one_by_one() -> None:
    user = make_user()
    full = replace(make_full_record(), failure=None)
    full = replace(full, context=replace(full.context, user_id=user.pk))
    records = [full, make_record(), make_record("of a user who is gone", context=replace(full.context, user_id=987))]

    check_as_one_by_one([usage_row(record) for record in records])


@pytest.mark.parametrize("field", COLUMNS, ids=lambda field: str(field.attname))
def test_odd_values_are_stored_as_by_the_orm(field: Any) -> None:
    values = ODD_VALUES[field.get_internal_type()]
    if field.get_internal_type() == "CharField":
        values = tuple(value[: field.max_length] if isinstance(value, str) else value for value in values)
    rows = [
        {**usage_row(make_record(str(number))), field.attname: value}
        for number, value in enumerate((*values, *([None] if field.null else [])))
    ]

    check_as_one_by_one(rows)


def test_row_without_anything_is_stored_as_by_the_orm() -> None:
    nothing = {field.attname: None for field in COLUMNS if field.null}

    check_as_one_by_one([{**usage_row(make_record()), **nothing, "user_id": None}])


def test_times_are_stored_as_by_the_orm_where_the_database_is_told_another_zone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(connection.__dict__, "timezone", ZoneInfo("Asia/Shanghai"))

    check_as_one_by_one([{**usage_row(make_record(str(time))), "started_at": time} for time in TIMES[:3]])


def test_row_has_every_column_that_is_not_the_databases_own() -> None:
    expected = {field.attname for field in LLMUsage._meta.concrete_fields} - {"recorded_at"}

    assert set(usage_row(make_full_record())) == expected
    assert set(usage_row(make_record())) == expected


def test_rows_that_are_there_are_left_alone() -> None:
    rows = [usage_row(make_record(str(number))) for number in range(3)]
    assert insert_new(rows[:2], "default")
    LLMUsage.objects.update(node_name="corrected by hand")

    assert not insert_new(rows, "default")

    assert LLMUsage.objects.filter(node_name="corrected by hand").count() == 2
    assert LLMUsage.objects.count() == 3


def test_row_that_comes_twice_in_a_batch_is_not_told_as_new() -> None:
    row = usage_row(make_record())

    assert not insert_new([row, {**row, "node_name": "again"}, usage_row(make_record("another"))], "default")

    assert LLMUsage.objects.count() == 2
    assert not LLMUsage.objects.filter(node_name="again").exists()


def test_nothing_to_insert_is_all_new() -> None:
    assert insert_new([], "default")


@pytest.mark.parametrize(
    "bad",
    [{"model": None}, {"metadata": {"number": float("nan")}}, {"attempt": "many"}],
    ids=["null", "no JSON", "no number"],
)
def test_row_that_breaks_a_rule_is_refused_with_all_others(bad: dict[str, Any]) -> None:
    rows = [usage_row(make_record(str(number))) for number in range(3)]

    with pytest.raises((DatabaseError, ValueError)):
        insert_new([rows[0], {**rows[1], **bad}, rows[2]], "default")


def test_other_databases_get_the_rows_by_the_orm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_INSERTS", {})
    rows = [usage_row(make_record(str(number))) for number in range(3)]

    assert not insert_new(rows, "default")
    assert not insert_new(rows, "default")

    assert LLMUsage.objects.count() == 3


def test_batch_takes_one_statement() -> None:
    rows = [usage_row(make_record(str(number))) for number in range(200)]

    with CaptureQueriesContext(connection) as queries:
        insert_new(rows, "default")

    assert len([query for query in queries if "INSERT" in query["sql"]]) == 1
    assert LLMUsage.objects.count() == 200
