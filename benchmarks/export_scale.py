"""`python -m benchmarks.export_scale`: pages, cursors and exports of a large table on a PostgreSQL of its own."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench_process import describe_machine, django_on_postgres, quantile, verdict

if TYPE_CHECKING:
    from benchmarks.postgres import Cluster

REPEATS = 15
DEEP_CURSOR_LIMIT_MS = 20.0
CSV_LIMIT_US_PER_ROW = 1e6 / 50_000
GROWTH_LIMIT_MIB = 64.0

# Three rows share a moment, one in fifty failed, one in a hundred has no known cost.
FILL = """
INSERT INTO llm_tracker_usage (
    id, call_id, attempt, user_id, operation, provider, model, response_model, config_scope, node_name, source_type, status, success,
    error, error_type, finish_reason, prompt_tokens, completion_tokens, total_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
    usage_source, cost, cost_currency, cost_source, cost_status, price_snapshot, is_streaming, started_at, first_chunk_at, ended_at,
    created_at, metadata, trace_id, span_id, trace_sampled
)
SELECT
    md5('row' || i)::uuid, md5('row' || i)::uuid, 1, i %% 1000 + 1, 'chat', (ARRAY['openai', 'anthropic', 'deepseek'])[i %% 3 + 1],
    'openai/model-' || i %% 12, 'model-' || i %% 12 || '-2026-01-01', 'global', 'node-' || i %% 20, 'task',
    CASE WHEN i %% 50 = 0 THEN 'failed' ELSE 'succeeded' END, i %% 50 <> 0,
    CASE WHEN i %% 50 = 0 THEN 'The provider answered: too many requests, try again' END, CASE WHEN i %% 50 = 0 THEN 'RateLimitError' END,
    'stop', i %% 4000, i %% 900, i %% 4000 + i %% 900, i %% 300, 0, 0, 'provider',
    CASE WHEN i %% 100 <> 7 THEN (i %% 5000) * 0.000001234567 END, CASE WHEN i %% 10 = 0 THEN 'CNY' ELSE 'USD' END, 'price_map', 'priced',
    '{"currency": "USD", "per_token": {"input": "0.00000015"}}', i %% 2 = 0, moment - interval '2 seconds', moment - interval '1 second',
    moment, moment, jsonb_build_object('job', i %% 5000, 'tenant', 'tenant-' || i %% 40), md5('trace' || i), left(md5('span' || i), 16), true
FROM (SELECT i, timestamptz '2026-01-01 00:00:00Z' + (i / 3) * interval '1.000003 seconds' AS moment FROM generate_series(1, %s) i) numbered
"""


def main() -> int:
    """Fill, measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export_scale")
    parser.add_argument("--rows", type=int, default=1_000_000, help="in the table (default: 1000000)")
    parser.add_argument("--slack", type=float, default=1.0, help="by which the limits are loosened (default: 1)")
    options = parser.parse_args()
    print(f"{options.rows:,} usage rows; {describe_machine()}", flush=True)
    with django_on_postgres() as (cluster, _directory):
        _fill(cluster, options.rows)
        deepest_ms = _measure_lists(options.rows)
        us_per_row, growth_mib = _measure_exports(options.rows)
    return verdict(
        [
            ("p50 of a cursor's page in ms", deepest_ms, DEEP_CURSOR_LIMIT_MS),
            ("microseconds for a row of CSV", us_per_row, CSV_LIMIT_US_PER_ROW),
            ("growth of memory in MiB", growth_mib, GROWTH_LIMIT_MIB),
        ],
        options.slack,
    )


def _fill(cluster: Cluster, rows: int) -> None:
    began_s = time.perf_counter()
    with cluster.connect() as connection:
        connection.execute(FILL, (rows,))
        connection.execute("VACUUM ANALYZE llm_tracker_usage")
        size = connection.execute("SELECT pg_size_pretty(pg_total_relation_size('llm_tracker_usage'))").fetchone()
    print(f"filled in {time.perf_counter() - began_s:.0f} s, {size[0] if size else '?'} with indexes")


def _measure_lists(rows: int) -> float:
    """The slowest p50 of a page by cursor, in milliseconds."""
    from agentcore_metering.adapters.django.stats import parse_usage_query, usage_page, usage_walk

    def page(**params: str) -> Any:
        return usage_page(parse_usage_query(params))

    def walk(**params: str) -> Any:
        return usage_walk(parse_usage_query({"cursor": "", "page_size": "100", **params}))

    last = rows // 100
    for number in (1, last // 10, last // 2, last):
        _time_ms(f"page {number:,} of 100, with total", partial(page, page=str(number), page_size="100"))
    slowest_ms = 0.0
    for share in (0.0, 0.1, 0.5, 0.99):
        cursor = _cursor_at(int(rows * share))
        slowest_ms = max(slowest_ms, _time_ms(f"cursor behind {share:.0%} of the rows", partial(walk, cursor=cursor)))
    for params in (
        {"provider": "openai"},
        {"status": "failed"},
        {"user_id": "7"},
        {"metadata.job": "77"},
        {"trace_id": "0" * 32},
    ):
        _time_ms(f"cursor, first page, {params}", partial(walk, **params))
    return slowest_ms


def _cursor_at(offset: int) -> str:
    from agentcore_metering.adapters.django.models import LLMUsage
    from agentcore_metering.adapters.django.stats.cursors import Cursor, encode_cursor

    if not offset:
        return ""
    row = LLMUsage.objects.order_by("-created_at", "-id").values_list("created_at", "id")[offset]
    return encode_cursor(Cursor(*row), ())


def _time_ms(name: str, work: Callable[[], Any]) -> float:
    """The p50, printed with the others."""
    took_ms = []
    for _ in range(REPEATS):
        began_s = time.perf_counter()
        work()
        took_ms.append((time.perf_counter() - began_s) * 1000)
    p50 = quantile(took_ms, 0.5)
    print(f"{name:<48} p50 {p50:9.1f} ms, min {min(took_ms):9.1f}, max {max(took_ms):9.1f}, n {REPEATS}", flush=True)
    return p50


def _measure_exports(rows: int) -> tuple[float, float]:
    """Microseconds for a row of CSV, and MiB by which this process grew over all exports."""
    from agentcore_metering.adapters.django.exports import FORMATS, begin_export
    from agentcore_metering.adapters.django.stats import UsageFilter

    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took_us = {}
    for name, file_format in FORMATS.items():
        began_s, cpu_began_s, server_began_s = time.perf_counter(), time.process_time(), _server_cpu_s()
        export = begin_export(UsageFilter(), file_format)
        for _chunk in export:
            pass
        elapsed_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_began_s
        server_s = _server_cpu_s() - server_began_s
        took_us[name] = elapsed_s / max(export.rows, 1) * 1e6
        print(
            f"export as {name:<38} {export.rows:,} rows, {export.size_bytes / 2**20:,.0f} MiB, {export.rows / elapsed_s:,.0f} rows/s, "
            f"{elapsed_s:.1f} s; processor {cpu_s:.1f} s here, {server_s:.1f} s in the database",
            flush=True,
        )
    growth_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
    print(f"growth of memory over all exports                {growth_mib:.1f} MiB")
    return took_us["csv"], growth_mib


def _server_cpu_s() -> float:
    """What our connection's process in the server has used of the processor, where /proc tells; a busy machine does not change it."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        stat = Path(f"/proc/{cursor.fetchone()[0]}/stat")
    if not stat.exists():
        return 0.0
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
