"""Dividing the usage table and putting it together again: what it is afterwards, and what keeps it from being divided."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, models
from django.db.utils import IntegrityError

from agentcore_metering.adapters.django.models import LLMUsage, RollupMark
from agentcore_metering.adapters.django.partitions import ddl, division
from agentcore_metering.adapters.django.partitions.division import RandomIds, divide, unite
from agentcore_metering.adapters.django.partitions.layout import blockers, is_partitioned, partitions
from agentcore_metering.adapters.django.persistence.rows import insert_rows
from agentcore_metering.adapters.django.rollups import triggers
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.rollups.statements import rows_of
from agentcore_metering.adapters.django.rollups.verify import verify
from tests.django.builders import usage_values
from tests.django.partitions.rows import add, figures, id_at, table_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("postgresql")]

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
RANDOM = UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479")


@pytest.fixture
def divided() -> list[Any]:
    """The figures of rows that lie in a table which has since been divided."""
    for days in (100, 40, 3, 1):
        add(NOW - timedelta(days=days))
    refresh("default", now=NOW)
    before = figures()
    divide("default", now=NOW, months=2)
    return before


def definition() -> list[Any]:
    """Columns, indexes, triggers, rights and views, as the catalogue tells them."""
    table = "'llm_tracker_usage'::regclass"
    return [
        rows_of("default", query)
        for query in (
            (
                f"SELECT attname, atttypid::regtype::text, attnotnull, pg_get_expr(adbin, adrelid) FROM pg_attribute "
                f"LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
                f"WHERE attrelid = {table} AND attnum > 0 AND NOT attisdropped ORDER BY attname"
            ),
            (
                f"SELECT replace(pg_get_indexdef(indexrelid), 'ON ONLY', 'ON'), indisprimary, indisvalid FROM pg_index "
                f"WHERE indrelid = {table} ORDER BY 1"
            ),
            f"SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = {table} ORDER BY 1",
            f"SELECT relacl::text, relowner FROM pg_class WHERE oid = {table}",
            "SELECT c.oid, relacl::text, pg_get_viewdef(c.oid) FROM pg_class AS c WHERE relname = 'metering_usage'",
        )
    ]


def test_rows_stay_where_they_are_and_new_ones_go_to_their_month(divided: list[Any]) -> None:
    assert [one.name for one in partitions("default")] == [
        "llm_tracker_usage_before_2026_12",
        "llm_tracker_usage_2026_12",
        "llm_tracker_usage_2027_01",
        "llm_tracker_usage_other",
    ]
    assert table_of(LLMUsage.objects.earliest("created_at")) == "llm_tracker_usage_before_2026_12"
    assert table_of(add(NOW)) == "llm_tracker_usage_before_2026_12"
    assert table_of(add(datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))) == "llm_tracker_usage_2026_12"
    assert table_of(add(datetime(2027, 1, 1, tzinfo=UTC))) == "llm_tracker_usage_2027_01"
    assert table_of(add(datetime(2027, 2, 1, tzinfo=UTC))) == "llm_tracker_usage_other"
    assert table_of(add(NOW, id=RANDOM)) == "llm_tracker_usage_other"


def test_figures_are_the_same_and_rollups_hold(divided: list[Any]) -> None:
    assert figures() == divided
    assert RollupMark.objects.count() == 0
    assert refresh("default", now=NOW).refreshed_hours == 0
    assert verify("default").differences == []


@pytest.mark.parametrize("days", [1, 40])
def test_changed_and_late_rows_are_counted(divided: list[Any], days: int) -> None:
    LLMUsage.objects.filter(created_at__gte=NOW - timedelta(days=days + 1)).update(prompt_tokens=7)
    add(NOW - timedelta(days=days))
    changed = figures()

    assert changed != divided
    assert RollupMark.objects.count() > 0
    refresh("default", now=NOW)
    assert figures() == changed
    assert verify("default").differences == []


def test_write_to_a_partition_itself_is_counted(divided: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM llm_tracker_usage_before_2026_12 WHERE created_at < %s", [NOW - timedelta(days=90)])

    assert RollupMark.objects.count() == 1
    assert sum(row.totals.calls for row in figures()[0]) == 3


def test_row_is_written_once_whatever_its_end_says(divided: list[Any]) -> None:
    began = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    row_id = id_at(began)
    interrupted = usage_values(id=row_id, model="m", status="interrupted", created_at=began)
    ended = usage_values(id=row_id, model="m", status="succeeded", created_at=began + timedelta(minutes=2))

    for row in (interrupted, ended, interrupted, ended):
        insert_rows([row, usage_values(id=id_at(NOW), model="n", created_at=NOW)], "default")

    assert LLMUsage.objects.filter(model="m").values_list("status", "created_at").get() == (
        "succeeded",
        ended["created_at"],
    )
    assert LLMUsage.objects.filter(model="n").count() == 4
    assert table_of(LLMUsage.objects.get(id=row_id)) == "llm_tracker_usage_2026_12"


def test_primary_key_holds_across_partitions(divided: list[Any]) -> None:
    row = LLMUsage.objects.earliest("created_at")

    with pytest.raises(IntegrityError):
        LLMUsage.objects.bulk_create([LLMUsage(id=row.id, model="m", created_at=datetime(2026, 12, 5, tzinfo=UTC))])


def test_everything_of_the_table_is_the_new_ones_and_after_undoing_the_plain_ones() -> None:
    add(NOW)
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS metering_test_reader")
        cursor.execute("CREATE ROLE metering_test_reader")
        cursor.execute("GRANT SELECT ON metering_usage, llm_tracker_usage TO metering_test_reader")
        cursor.execute("GRANT UPDATE (metadata) ON llm_tracker_usage TO metering_test_reader")
        cursor.execute("CREATE INDEX of_the_host ON llm_tracker_usage (model)")
        cursor.execute("CREATE VIEW of_the_host_view AS SELECT model FROM llm_tracker_usage WHERE model LIKE '%mini'")
    before = definition()

    divide("default", now=NOW, months=2)

    assert definition() == before
    add(datetime(2026, 12, 2, tzinfo=UTC))
    assert rows_of("default", "SELECT (SELECT COUNT(*) FROM metering_usage), COUNT(*) FROM of_the_host_view") == [
        (2, 2)
    ]

    unite("default")

    assert definition() == before
    assert not is_partitioned("default")
    add(NOW)
    assert rows_of("default", "SELECT (SELECT COUNT(*) FROM metering_usage), COUNT(*) FROM of_the_host_view") == [
        (3, 3)
    ]


def test_undoing_keeps_rows_and_figures(divided: list[Any]) -> None:
    add(datetime(2026, 12, 2, tzinfo=UTC))
    add(NOW, id=RANDOM)
    before = figures()

    assert unite("default").moved_rows == 6

    assert figures() == before
    assert LLMUsage.objects.count() == 6
    assert verify("default").differences == []
    assert [name for name in connection.introspection.table_names() if name.startswith("llm_tracker_usage")] == [
        "llm_tracker_usage"
    ]


def test_divided_twice_and_undone_twice_is_as_once(divided: list[Any]) -> None:
    names = [one.name for one in partitions("default")]

    divide("default", now=NOW, months=2)
    assert [one.name for one in partitions("default")] == names
    unite("default")
    unite("default")
    divide("default", now=NOW, months=2)

    assert [one.name for one in partitions("default")] == names
    assert figures() == divided


def test_rows_with_random_ids_are_moved_out_of_the_way() -> None:
    rows = [add(NOW, id=RANDOM), add(NOW)]
    refresh("default", now=NOW + timedelta(days=1))
    before = figures()

    assert divide("default", now=NOW, months=2).moved_rows == 1

    assert [table_of(row) for row in rows] == ["llm_tracker_usage_other", "llm_tracker_usage_before_2026_12"]
    assert figures() == before
    assert RollupMark.objects.count() == 0


def test_more_rows_with_random_ids_than_are_moved_in_passing_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "MAX_MOVED", 0)
    add(NOW, id=RANDOM)

    with pytest.raises(RandomIds, match="1 rows have random ids"):
        divide("default", now=NOW, months=2)
    assert not is_partitioned("default")

    assert divide("default", now=NOW, months=2, moves_any=True).moved_rows == 1


def test_random_id_that_comes_while_it_is_proved_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "count_random_ids", lambda using, now: 0)
    add(NOW, id=RANDOM)

    assert divide("default", now=NOW, months=2).moved_rows == 1


def test_division_that_fails_leaves_everything_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    add(NOW)
    before = definition()
    monkeypatch.setattr(triggers, "install_on", lambda using, name: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        divide("default", now=NOW, months=2)

    assert (definition(), division.has_proof("default"), is_partitioned("default")) == (before, False, False)


def test_second_process_leaves_it_to_the_first(division_at_work: None) -> None:
    with pytest.raises(ddl.Busy, match="another process"):
        divide("default", now=NOW, months=2)


def test_triggers_made_anew_are_on_every_partition(divided: list[Any]) -> None:
    triggers.install("default")

    found = rows_of(
        "default", "SELECT COUNT(*), COUNT(DISTINCT tgrelid) FROM pg_trigger WHERE tgname LIKE 'agentcore%%'"
    )
    assert found == [(20, 5)]  # four of the table and of each of four partitions
    refresh("default", now=NOW)
    assert figures() == divided


def test_migrations_change_the_table_with_its_partitions(divided: list[Any]) -> None:
    column = models.IntegerField(null=True, db_default=3)
    column.set_attributes_from_name("tried")
    column.model = LLMUsage
    index = models.Index(fields=["model"], name="tried_idx")

    with connection.schema_editor(atomic=False) as editor:
        editor.add_field(LLMUsage, column)
        editor.add_index(LLMUsage, index)
        assert rows_of("default", "SELECT DISTINCT tried FROM llm_tracker_usage") == [(3,)]
        editor.remove_index(LLMUsage, index)
        editor.remove_field(LLMUsage, column)

    assert figures() == divided


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE TABLE host_note (usage_id uuid REFERENCES llm_tracker_usage)", "foreign key host_note_usage_id_fkey"),
        ("CREATE UNIQUE INDEX host_once ON llm_tracker_usage (response_id)", "index host_once is unique"),
        ("ALTER TABLE llm_tracker_usage ADD CONSTRAINT host_once UNIQUE (response_id)", "constraint host_once"),
        ("CREATE MATERIALIZED VIEW host_sums AS SELECT model FROM llm_tracker_usage", "materialized view host_sums"),
        ("ALTER TABLE llm_tracker_usage ENABLE ROW LEVEL SECURITY", "row security"),
        ("CREATE PUBLICATION host_feed FOR TABLE llm_tracker_usage", "publication host_feed"),
        (
            (
                "CREATE TRIGGER host_trigger BEFORE UPDATE ON llm_tracker_usage FOR EACH ROW "
                "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            ),
            "trigger host_trigger",
        ),
        ("CREATE SCHEMA host_schema; SET LOCAL search_path = host_schema, public", "schema public"),
    ],
)
def test_what_would_be_lost_is_a_reason_not_to(statement: str, reason: str) -> None:
    assert blockers("default") == []
    with connection.cursor() as cursor:
        cursor.execute(statement)

    assert any(reason in found for found in blockers("default"))
