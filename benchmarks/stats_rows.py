"""Owns the rows that figures are measured over: made in the database, by SQL, and summed up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

__all__ = ["fill", "insert", "make_users", "sum_up"]

USERS = 500


def make_users(using: str) -> None:
    """Whose rows they are; those that are there stay."""
    from django.contrib.auth import get_user_model

    users: Any = get_user_model()
    made = [users(pk=number, username=f"user-{number}") for number in range(1, USERS + 1)]
    users.objects.using(using).bulk_create(made, ignore_conflicts=True)


def fill(using: str, rows: int, until: datetime) -> None:
    """500 users, 12 models, 20 nodes, 5 configurations, evenly over a year and in the order of time, as a drainer writes them."""
    from django.db import connections

    connection = connections[using]
    start = until - timedelta(days=365)
    step = 100_000
    for first in range(0, rows, step):
        insert(using, start, timedelta(days=365) / rows, first, min(step, rows - first))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE llm_tracker_usage")


def insert(using: str, start: datetime, interval: timedelta, first: int, count: int) -> None:
    """So many rows from `start` on, one each `interval`; `first` numbers them."""
    from django.db import connections

    connection = connections[using]
    sql = _SQLITE if connection.vendor == "sqlite" else _POSTGRESQL
    interval_us = interval // timedelta(microseconds=1)
    with connection.cursor() as cursor:
        cursor.execute(sql.format(start=f"{start:%Y-%m-%d %H:%M:%S}", us=interval_us, first=first, count=count))


_COLUMNS = (
    "INSERT INTO llm_tracker_usage (id, user_id, call_id, attempt, operation, provider, model, request_model, response_model, config_uuid, "
    "status, success, error_type, prompt_tokens, completion_tokens, total_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, "
    "cost, cost_currency, cost_source, cost_status, is_streaming, started_at, first_chunk_at, ended_at, created_at, recorded_at, "
    "node_name, source_type, metadata) "
)
_FACTS = (
    "h % 500 + 1, {id}, 1, 'chat', 'provider-' || (h / 500 % 12 / 3), 'model-' || (h / 500 % 12), 'm', "
    "'model-' || (h / 500 % 12) || '-2026', {config}, "
    "CASE WHEN h / 120000 % 20 = 0 THEN 'failed' ELSE 'succeeded' END, {success}, "
    "CASE WHEN h / 120000 % 20 = 0 THEN 'error-' || (h % 5) END, "
    "h % 3000, h % 700, h % 3000 + h % 700, h % 1000, 0, 0, {cost}, CASE WHEN h / 500 % 12 = 11 THEN 'CNY' ELSE 'USD' END, "
    "'price_map', 'priced', {streaming}, "
)

_POSTGRESQL = (
    _COLUMNS
    + "SELECT id, "
    + _FACTS.format(
        id="id",
        config="CAST('00000000-0000-4000-8000-00000000000' || (h % 5) AS uuid)",
        success="h / 120000 % 20 <> 0",
        cost="(h % 100000) * 0.000000123",
        streaming="h % 2 = 0",
    )
    + "at - h % 9000 * interval '1 millisecond', CASE WHEN h % 2 = 0 THEN at - h % 9000 * interval '0.5 millisecond' END, at, at, at, "
    "'node-' || (h / 6000 % 20), 'task-' || (h % 3), '{{}}' "
    # Ids are times, as the package's are.
    "FROM (SELECT CAST(lpad(to_hex(CAST(EXTRACT(EPOCH FROM at) * 1000 AS bigint)), 12, '0') || '7' || substr(md5(CAST(i AS text)), 1, 3) "
    "|| '8' || substr(md5(CAST(i AS text)), 4, 15) AS uuid) AS id, h, at "
    "FROM (SELECT i, i * 48271 % 2147483647 AS h, timestamptz '{start}+00' + i * {us} * interval '1 microsecond' AS at "
    "FROM generate_series(CAST({first} AS bigint), {first} + {count} - 1) AS i) AS numbered) AS made"
)
_SQLITE = (
    _COLUMNS
    + "SELECT id, "
    + _FACTS.format(
        id="id",
        config="'0000000000004000800000000000000' || (h % 5)",
        success="h / 120000 % 20 <> 0",
        cost="(h % 100000) * 123000",
        streaming="h % 2 = 0",
    )
    + "strftime('%Y-%m-%d %H:%M:%f', at, '-' || (h % 9000 / 1000.0) || ' seconds') || '000', "
    "CASE WHEN h % 2 = 0 THEN strftime('%Y-%m-%d %H:%M:%f', at, '-' || (h % 9000 / 2000.0) || ' seconds') || '000' END, at, at, at, "
    "'node-' || (h / 6000 % 20), 'task-' || (h % 3), '{{}}' "
    "FROM (SELECT printf('%012x', 1700000000000 + i * 1000) || '7' || substr(lower(hex(randomblob(10))), 1, 3) || '8' "
    "|| substr(lower(hex(randomblob(10))), 1, 15) AS id, i * 48271 % 2147483647 AS h, "
    "strftime('%Y-%m-%d %H:%M:%f', '{start}', '+' || (i * {us} / 1000000.0) || ' seconds') || '000' AS at "
    "FROM (WITH RECURSIVE numbers(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM numbers WHERE i < {first} + {count} - 1) "
    "SELECT i FROM numbers) AS numbered) AS made"
)


def sum_up(using: str, now: datetime | None = None) -> None:
    """Refresh, and let the planner know."""
    from django.db import connections

    from agentcore_metering.adapters.django.rollups.refresh import refresh

    print(f"  {refresh(using, now=now)}")
    with connections[using].cursor() as cursor:
        cursor.execute("ANALYZE" if connections[using].vendor == "sqlite" else "VACUUM ANALYZE")
