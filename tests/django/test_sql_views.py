"""The views say what the table says, go and come with their migration, and no later migration trips over them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from agentcore_metering.adapters.django.models import LLMPrice, LLMUsage
from agentcore_metering.adapters.django.sql_views import VERSIONS, CreateViews, DropViews

APP = "agentcore_metering"
MADE = "0140_views"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAMES = [name for name, _ in VERSIONS[max(VERSIONS)]]
PRICE = Decimal("0.123456789012")

ROLE = Path(__file__).resolve().parents[2] / "grafana" / "readonly_role.sql"


def select(sql: str) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def make_usage(**fields: Any) -> LLMUsage:
    ordinary = {"model": "openai/m", "request_model": "m", "created_at": NOON, "status": "succeeded"}
    return LLMUsage.objects.create(**ordinary | fields)


@pytest.mark.django_db
def test_usage_gives_amounts_in_units_and_their_currency() -> None:
    make_usage(cost=PRICE, cost_currency="CNY", cost_status="priced")

    row = select("SELECT cost, currency, cost_status, model FROM metering_usage")[0]

    assert Decimal(str(row.pop("cost"))) == PRICE
    assert row == {"currency": "CNY", "cost_status": "priced", "model": "m"}


@pytest.mark.django_db
def test_usage_without_a_price_has_neither_amount_nor_currency() -> None:
    make_usage(cost=None)

    assert select("SELECT cost, currency, cost_status FROM metering_usage") == [
        {"cost": None, "currency": None, "cost_status": "unpriced"}
    ]


@pytest.mark.django_db
def test_usage_of_the_older_schema_has_status_and_model() -> None:
    LLMUsage.objects.create(model="openai/m", success=False, created_at=NOON)

    assert select("SELECT model, status FROM metering_usage") == [{"model": "openai/m", "status": "failed"}]


@pytest.mark.django_db
def test_usage_gives_durations_in_seconds() -> None:
    make_usage(started_at=NOON, first_chunk_at=NOON + timedelta(seconds=0.25), ended_at=NOON + timedelta(seconds=1.5))

    row = select("SELECT duration_s, time_to_first_chunk_s FROM metering_usage")[0]

    assert row == pytest.approx({"duration_s": 1.5, "time_to_first_chunk_s": 0.25}, abs=1e-3)


@pytest.mark.django_db
def test_hours_never_add_two_currencies() -> None:
    for currency, cost in (("USD", "0.5"), ("USD", "0.25"), ("CNY", "7")):
        make_usage(cost=Decimal(cost), cost_currency=currency, created_at=NOON + timedelta(minutes=59))
    make_usage(cost=Decimal(1), cost_currency="USD", created_at=NOON + timedelta(hours=1))

    rows = select("SELECT currency, attempts, cost FROM metering_usage_hourly ORDER BY hour, currency")

    assert [(row["currency"], row["attempts"], Decimal(str(row["cost"])).normalize()) for row in rows] == [
        ("CNY", 1, Decimal(7)),
        ("USD", 2, Decimal("0.75")),
        ("USD", 1, Decimal(1)),
    ]


@pytest.mark.django_db
def test_prices_are_in_units() -> None:
    LLMPrice.objects.create(model_pattern="m*", currency="CNY", input_per_1m=PRICE, output_per_1m=Decimal(2))

    row = select("SELECT input_per_1m, cache_read_per_1m FROM metering_prices")[0]

    assert (Decimal(str(row["input_per_1m"])), row["cache_read_per_1m"]) == (PRICE, None)


@pytest.mark.django_db(transaction=True)
def test_views_go_with_their_migration_and_come_back() -> None:
    loader = MigrationLoader(connection)
    before = loader.graph.node_map[APP, MADE].parents
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes(APP)

    executor.migrate([parent.key for parent in before])
    gone = existing_views()
    MigrationExecutor(connection).migrate(newest)

    assert (gone, existing_views()) == (set(), set(NAMES))


def existing_views() -> set[str]:
    with connection.cursor() as cursor:
        tables = connection.introspection.get_table_list(cursor)
    return {table.name for table in tables if table.type == "v"} & set(NAMES)


@pytest.mark.django_db(transaction=True)
def test_a_change_of_the_table_between_drop_and_create_succeeds() -> None:
    field = models.IntegerField(db_default=3)
    field.set_attributes_from_name("one_more")
    field.model = LLMUsage

    with connection.schema_editor() as editor:
        DropViews(1).database_forwards(APP, editor, None, None)
        editor.add_field(LLMUsage, field)  # SQLite makes the whole table anew
        editor.remove_field(LLMUsage, field)
        CreateViews(1).database_forwards(APP, editor, None, None)

    assert existing_views() == set(NAMES)


def test_later_migrations_drop_the_views_before_they_change_the_tables_below() -> None:
    graph = MigrationLoader(None).graph
    later = [
        graph.nodes[key]
        for key in graph.nodes
        if key[0] == APP and key[1] != MADE and (APP, MADE) in graph.forwards_plan(key)
    ]

    unprotected = [migration.name for migration in later if _touches_a_table(migration) and not _is_framed(migration)]

    assert unprotected == [], "begin with DropViews(n) and end with CreateViews(n): see adapters/django/sql_views.py"


def _touches_a_table(migration: Any) -> bool:
    return any(
        getattr(operation, "model_name", "").lower() in ("llmusage", "llmprice")
        and type(operation).__name__ in ("AddField", "AlterField", "RemoveField", "RenameField", "AddConstraint")
        for operation in migration.operations
    )


def _is_framed(migration: Any) -> bool:
    first, last = migration.operations[0], migration.operations[-1]
    return isinstance(first, DropViews) and isinstance(last, CreateViews) and not isinstance(last, DropViews)


def test_the_role_may_read_every_view_and_nothing_else() -> None:
    granted = [line.split() for line in ROLE.read_text().splitlines() if line.startswith("GRANT SELECT")]

    assert [words[2:-2] for words in granted] == [["ON", *(f"{name}," for name in NAMES[:-1]), NAMES[-1]]]
