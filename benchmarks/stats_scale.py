"""`make stats-scale`: every question that is asked of the figures, at a million and at ten million rows over a year.

The same questions are asked of the rows alone in the same run. What is compared is `token_stats` and `cube_rows`, without HTTP.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.bench_process import describe_machine, django_on_postgres, django_on_sqlite, quantile, verdict

LIMIT_MS = 50.0
LIMIT_REFRESH_S = 1.0
REPEATS = 30
ENOUGH_MS = 1000.0
BUSY_HOUR_ROWS = 20_000

Question = Callable[[], object]


def main() -> int:
    """Fill, sum up, ask, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stats_scale")
    parser.add_argument("--rows", type=int, default=1_000_000, help="over a year (default: 1000000)")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite instead of PostgreSQL")
    parser.add_argument("--without-rows", action="store_true", help="do not ask the rows alone as well")
    parser.add_argument("--slack", type=float, default=1.0, help="by which the limits are loosened (default: 1)")
    options = parser.parse_args()
    print(f"figures over {options.rows:,} rows; {describe_machine()}", flush=True)
    with django_on_sqlite() if options.sqlite else django_on_postgres():
        until = datetime.now(UTC).replace(microsecond=0)
        _timed(f"insert {options.rows:,} rows", lambda: _fill(options.rows, until))
        _timed("sum all of them up", _refresh)
        figures = _ask(_questions(until), has_rows=not options.without_rows)
        figures += _measure_refresh(until)
    return verdict(figures, options.slack)


def _timed(what: str, work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    elapsed_s = time.perf_counter() - began_s
    print(f"{what:<44} {elapsed_s:10.2f} s", flush=True)
    return elapsed_s


def _fill(rows: int, until: datetime) -> None:
    """500 users, 12 models, 20 nodes, 5 configurations, evenly over a year and in the order of time, as a drainer writes them."""
    from django.db import connection

    start = until - timedelta(days=365)
    step = 100_000
    for first in range(0, rows, step):
        _insert(start, timedelta(days=365) / rows, first, min(step, rows - first))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE llm_tracker_usage")


def _insert(start: datetime, interval: timedelta, first: int, count: int) -> None:
    from django.db import connection

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


def _refresh() -> None:
    from django.db import connection

    from agentcore_metering.adapters.django.rollups.refresh import refresh

    print(f"  {refresh('default')}")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")


def _questions(until: datetime) -> dict[str, Question]:
    from agentcore_metering.adapters.django.stats import parse_stats_query, token_stats
    from agentcore_metering.adapters.django.stats.cube import CubeQuery, cube_rows
    from agentcore_metering.adapters.django.stats.params import parse_period

    yesterday = f"{until - timedelta(days=1):%Y-%m-%d}"
    month_ago, today = f"{until - timedelta(days=30):%Y-%m-%d}", f"{until:%Y-%m-%d}"
    year_ago = f"{until - timedelta(days=364):%Y-%m-%d}"
    day = {"start_date": today, "end_date": today, "granularity": "day"}
    past_day = {"start_date": yesterday, "end_date": yesterday, "granularity": "day"}
    month = {"start_date": month_ago, "end_date": today, "granularity": "month"}
    year = {"start_date": year_ago, "end_date": today, "granularity": "year"}
    series = {"use_series": "1"}
    requests: dict[str, dict[str, str]] = {
        "today by hours": day,
        "yesterday by hours, by model": past_day | series,
        "a month by days": month,
        "a month by days, by model": month | series,
        "a year by months": year,
        "a year by months, by model": year | series,
        "everything, no range": {},
        "everything by months, no range": {"granularity": "year"},
        "crooked hours of a quarter, no series": {
            "start_date": f"{until - timedelta(days=90):%Y-%m-%dT%H}:17:31Z",
            "end_date": f"{until - timedelta(hours=30):%Y-%m-%dT%H}:41:03Z",
        },
        "a month by days in Shanghai": month | {"tz": "Asia/Shanghai"},
        "a year by months in Kathmandu": year | {"tz": "Asia/Kathmandu"},
        "one user, today": day | {"user_id": "17"},
        "one user, a month by days": month | series | {"user_id": "17"},
        "one user, a year by months": year | series | {"user_id": "17"},
        "one user, no range": {"user_id": "17"},
    }
    questions: dict[str, Question] = {
        name: lambda params=params: token_stats(parse_stats_query(params))  # type: ignore[misc]
        for name, params in requests.items()
    }
    period = parse_period({"start_date": year_ago, "end_date": today})
    for dimensions in (("user_id",), ("node_name",), ("config_uuid", "source_type"), ("provider", "model", "outcome")):
        query = CubeQuery(dimensions, period)
        questions[f"a year by {', '.join(dimensions)}"] = lambda query=query: cube_rows(query, "default")  # type: ignore[misc]
    return questions | _breakdowns(year_ago, month_ago, today)


def _breakdowns(year_ago: str, month_ago: str, today: str) -> dict[str, Question]:
    """Documents of `usage-breakdown/`, percentiles included."""
    from agentcore_metering.adapters.django.stats.breakdown import usage_breakdown
    from agentcore_metering.adapters.django.stats.breakdown_query import parse_breakdown_query

    year = {"start_date": [year_ago], "end_date": [today]}
    month = {"start_date": [month_ago], "end_date": [today]}
    top_10 = {"order": ["-cost"], "limit": ["10"]}
    requests: dict[str, dict[str, list[str]]] = {
        "breakdown: a year by model": year | {"group_by": ["model"]},
        "breakdown: a year by user, top 10": year | top_10 | {"group_by": ["user"]},
        "breakdown: a year by user, all 500": year | {"group_by": ["user"], "limit": ["1000"]},
        "breakdown: a month by user, top 10": month | top_10 | {"group_by": ["user"]},
        "breakdown: a month by user, top 10, compared": month
        | top_10
        | {"group_by": ["user"], "compare": ["previous"]},
        "breakdown: a month by model and day": month | {"group_by": ["model,day"]},
        "breakdown: a month by node, top 10": month | top_10 | {"group_by": ["node"]},
        "breakdown: a month by user and model, top 10": month | top_10 | {"group_by": ["user,model"]},
        "breakdown: one user's year by model": year | {"group_by": ["model"], "user": ["17"]},
    }
    return {
        name: lambda params=params: usage_breakdown(parse_breakdown_query(params))  # type: ignore[misc]
        for name, params in requests.items()
    }


def _ask(questions: dict[str, Question], *, has_rows: bool) -> list[tuple[str, float, float]]:
    print(f"{'question':<46} {'p50 ms':>10} {'p95 ms':>10} {'processor, ms':>14} {'rows alone, ms':>16}")
    figures = []
    for name, ask in questions.items():
        answer = ask()
        took = [_took_ms(ask) for _ in range(REPEATS)]
        p95_ms = quantile(took, 0.95)
        of_rows = ""
        if has_rows:
            with _rows_alone():
                began_s = time.perf_counter()
                answer_of_rows = ask()
                took_of_rows = [(time.perf_counter() - began_s) * 1000]
                if sorted(map(repr, _as_list(answer_of_rows))) != sorted(map(repr, _as_list(answer))):
                    raise RuntimeError(f"{name}: the rows say something else")
                while sum(took_of_rows) < ENOUGH_MS:
                    took_of_rows.append(_took_ms(ask))
                of_rows = f"{quantile(took_of_rows, 0.5):16.1f}"
        print(f"{name:<46} {quantile(took, 0.5):10.1f} {p95_ms:10.1f} {_processor_ms(ask):14.1f} {of_rows}", flush=True)
        figures.append((f"p95 in ms of {name}", p95_ms, LIMIT_MS))
    return figures


def _as_list(answer: Any) -> list[Any]:
    return list(answer) if isinstance(answer, list) else [answer]


def _took_ms(work: Question) -> float:
    began_s = time.perf_counter()
    work()
    return (time.perf_counter() - began_s) * 1000


def _processor_ms(ask: Question) -> float:
    """What an answer takes of the processor, Python and database together; unlike time it is the same beside others' work, nearly."""
    from django.db import connection

    with connection.cursor() as cursor:
        pid = None
        if connection.vendor == "postgresql":
            # Others' processes would not be counted.
            cursor.execute("SET max_parallel_workers_per_gather = 0")
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
        ask()
        began_s = time.process_time() + _backend_s(pid)
        for _ in range(REPEATS):
            ask()
        took_s = time.process_time() + _backend_s(pid) - began_s
        if pid is not None:
            cursor.execute("RESET max_parallel_workers_per_gather")
    return took_s * 1000 / REPEATS


def _backend_s(pid: int | None) -> float:
    """Seconds of processor time of a process on this machine; 0 of none. Linux."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _rows_alone() -> Iterator[None]:
    """No sums within the block."""
    from agentcore_metering.adapters.django.stats import cube

    plans, cube.PLANS = cube.PLANS, 0
    try:
        yield
    finally:
        cube.PLANS = plans


def _measure_refresh(until: datetime) -> list[tuple[str, float, float]]:
    from agentcore_metering.adapters.django.rollups.refresh import refresh

    hour = until.replace(minute=0, second=0)
    interval = timedelta(hours=1) / (BUSY_HOUR_ROWS + 1)
    _insert(hour, interval, 0, BUSY_HOUR_ROWS)
    later = hour + timedelta(hours=1, minutes=30)
    closing_s = _timed(f"close an hour of {BUSY_HOUR_ROWS:,} rows", lambda: refresh("default", now=later))
    _insert(hour - timedelta(days=200), interval, 0, 1)
    late_s = _timed("a late row in a closed month", lambda: refresh("default", now=later))
    return [("seconds to close a busy hour", closing_s, LIMIT_REFRESH_S), ("seconds for a late row", late_s, 10.0)]


if __name__ == "__main__":
    sys.exit(main())
