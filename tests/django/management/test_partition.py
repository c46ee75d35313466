"""`metering_partition`: what it does, what it prints, and with which status it ends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.utils import timezone

from agentcore_metering.adapters.django.management.commands import metering_partition
from agentcore_metering.adapters.django.partitions import division
from agentcore_metering.adapters.django.partitions.ddl import Busy
from agentcore_metering.adapters.django.partitions.layout import is_partitioned
from tests.django.factories import make_usage
from tests.django.management.test_operators import run
from tests.django.partitions.rows import add

NOW = datetime(2026, 11, 10, tzinfo=UTC)
NEW = ["llm_tracker_usage_2026_12", "llm_tracker_usage_2027_01", "llm_tracker_usage_2027_02"]

pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="needs PostgreSQL (DATABASE_URL names one)"
)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@on_postgresql
def test_dry_run_says_what_would_be_done_and_does_nothing() -> None:
    make_usage(id="f47ac10b-58cc-4372-a567-0e02b2c3d479")

    ended = run("metering_partition", "--dry-run", "--json")

    assert ended.status == 0
    assert (ended.json["new_tables"], ended.json["moved_rows"]) == (NEW, 1)
    assert (ended.json["dry_run"], ended.json["is_partitioned"], ended.json["tables"]) == (True, False, [])
    assert not is_partitioned("default")


@on_postgresql
def test_table_is_divided_looked_after_and_put_together() -> None:
    add(NOW)

    divided = run("metering_partition", "--json")
    ahead = run("metering_partition", "--ahead", "5", "--dry-run", "--json")
    kept = run("metering_partition", "--ahead", "5", "--json")
    undone = run("metering_partition", "--undo", "--json")

    assert [table["name"] for table in divided.json["tables"]] == [
        "llm_tracker_usage_before_2026_12",
        *NEW,
        "llm_tracker_usage_other",
    ]
    assert [table["from"] for table in divided.json["tables"]][:2] == [None, "2026-12-01T00:00:00+00:00"]
    assert (divided.json["new_tables"], divided.json["locked_ms"] > 0) == (NEW, True)
    assert (
        ahead.json["new_tables"] == kept.json["new_tables"] == [f"llm_tracker_usage_2027_0{month}" for month in (3, 4)]
    )
    assert (undone.json["is_partitioned"], undone.json["moved_rows"]) == (False, 1)


@on_postgresql
def test_people_read_how_the_table_lies() -> None:
    assert run("metering_partition", "--dry-run").out.endswith("one table\n")
    assert "llm_tracker_usage_other" in run("metering_partition").out


@on_postgresql
def test_what_is_in_the_way_is_named() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE MATERIALIZED VIEW host_sums AS SELECT model FROM llm_tracker_usage")

    ended = run("metering_partition")

    assert ended.status == 1
    assert "the materialized view host_sums reads it" in ended.reason


@on_postgresql
def test_random_ids_end_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "MAX_MOVED", 0)
    make_usage(id="f47ac10b-58cc-4372-a567-0e02b2c3d479")

    ended = run("metering_partition")

    assert (ended.status, "--move-random-ids" in ended.reason) == (1, True)
    assert run("metering_partition", "--move-random-ids", "--json").json["moved_rows"] == 1


@on_postgresql
def test_other_process_ends_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise Busy("another process is changing the partitions")

    monkeypatch.setattr(metering_partition, "divide", busy)

    ended = run("metering_partition")

    assert (ended.status, ended.reason) == (
        2,
        "Nothing was changed: another process is changing the partitions. Run it again later.",
    )


@pytest.mark.skipif(connection.vendor == "postgresql", reason="on any other database")
def test_other_databases_are_refused() -> None:
    ended = run("metering_partition")

    assert (ended.status, ended.reason) == (1, "Partitions are made on PostgreSQL, and this is sqlite.")
