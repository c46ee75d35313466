"""`python -m benchmarks.admin_pages`: how long the admin's pages of usage take, beside how many rows.

It starts a PostgreSQL of its own, fills the table by `generate_series`, and asks for each page through Django's test client: queries,
templates and all. `--keep` fills once and asks again at every Enter.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.bench_process import describe_machine
from benchmarks.postgres import running_cluster

if TYPE_CHECKING:
    from django.test import Client

LIMIT_MS = 100.0
DASHBOARD_LIMIT_MS = 400.0
"""It has the sums of every user and of every node, and six charts."""
ROUNDS = 15
DAYS = 120
LIST = "/admin/agentcore_metering/llmusage/"

FILL = """
INSERT INTO llm_tracker_usage (
  id, user_id, call_id, attempt, operation, provider, model, request_model, response_model, status, success, error, error_type,
  finish_reason, prompt_tokens, completion_tokens, total_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, usage_source,
  usage_raw, cost, cost_currency, cost_source, cost_status, price_snapshot, is_streaming, started_at, ended_at, created_at, node_name,
  metadata, trace_id, span_id, trace_sampled)
SELECT id, 1 + n %% 200, id, 1, CASE WHEN n %% 50 = 0 THEN 'embeddings' ELSE 'chat' END,
  (ARRAY['openai','openai','openai','anthropic','azure_openai'])[1 + n %% 5], 'openai/model-' || n %% 40, 'model-' || n %% 40,
  'model-' || n %% 40, CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'succeeded' END, n %% 20 <> 0,
  CASE WHEN n %% 20 = 0 THEN 'The provider answered 429.' END, CASE WHEN n %% 20 = 0 THEN 'RateLimitError' END, 'stop',
  1000 + n %% 500, 200 + n %% 90, 1200 + n %% 590, 0, 0, 0, 'provider',
  '{"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}', 0.000123 + n * 1e-9,
  CASE WHEN n %% 10 = 0 THEN 'CNY' ELSE 'USD' END, 'price_map', CASE WHEN n %% 30 = 0 THEN 'unpriced' ELSE 'priced' END,
  '{"currency": "USD", "per_token": {"input": "0.00000015", "output": "0.0000006"}, "source": "price_map", "version": "1"}',
  n %% 3 = 0, at - interval '2 seconds', at, at, 'node-' || n %% 30, '{"run": "4711"}', md5(n::text), left(md5(n::text), 16), true
FROM (SELECT n, gen_random_uuid() AS id, now() - (%(rows)s - n) * (interval '1 day' * %(days)s / %(rows)s) AS at
      FROM generate_series(1, %(rows)s) AS n) AS made
"""


def main() -> int:
    """Fill, ask, print; 1 when a page took longer than the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.admin_pages", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="in the table (default: 1,000,000)")
    parser.add_argument("--slack", type=float, default=1.0, help="by which the limit is multiplied (default: 1)")
    parser.add_argument(
        "--keep", action="store_true", help="print the database's address and wait for Enter before the end"
    )
    options = parser.parse_args()
    print(f"admin pages; {describe_machine()}", flush=True)
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster(fsync=False))
        os.environ["DATABASE_URL"] = cluster.url
        fill(options.rows)
        if options.keep:
            print(f"DATABASE_URL={cluster.url}", flush=True)
            input("Enter ends it: ")
        return 0 if measure(options.slack) else 1


def set_up() -> None:
    """Django with the admin, on the database that `DATABASE_URL` names."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django
    from django.conf import settings

    django.setup()
    settings.ALLOWED_HOSTS = ["testserver"]


def fill(rows: int) -> None:
    """Make the tables and the rows."""
    set_up()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    users = get_user_model().objects
    users.create_superuser("root")
    users.bulk_create([get_user_model()(username=f"user-{number}") for number in range(200)])
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"rows": rows, "days": DAYS})
        cursor.execute("VACUUM ANALYZE llm_tracker_usage")
    call_command("metering_rollup", verbosity=0)
    print(f"{rows:,} rows over {DAYS} days in {time.perf_counter() - began:.0f} s", flush=True)


def pages() -> dict[str, tuple[str, dict[str, str]]]:
    """By name: the page and its query string."""
    from django.utils import timezone

    from agentcore_metering.adapters.django.models import LLMUsage

    row = LLMUsage.objects.order_by("-created_at")[4000]
    day = (timezone.now() - timedelta(days=60)).date().isoformat()
    found: dict[str, dict[str, str]] = {
        "newest": {},
        "page 50": {"p": "50"},
        "page 100": {"p": "100"},
        "oldest first": {"o": "1"},
        "one day": {"from": day, "to": day},
        "status succeeded": {"status": "succeeded"},
        "status failed": {"status": "failed"},
        "status nobody has": {"status": "interrupted"},
        "provider": {"provider": "azure_openai"},
        "provider nobody has": {"provider": "xai"},
        "operation": {"operation": "embeddings"},
        "operation nobody has": {"operation": "rerank"},
        "streamed": {"streaming": "1"},
        "currency": {"currency": "CNY"},
        "currency nobody has": {"currency": "EUR"},
        "cost status": {"cost_status": "unpriced"},
        "cost status nobody has": {"cost_status": "no_usage"},
        "user": {"user": "7"},
        "user without rows": {"user": "999999"},
        "model": {"model": "openai/model-7"},
        "model by its beginning": {"model": "openai/model-3*"},
        "model nobody has": {"model": "none"},
        "one day, failed, a user": {"from": day, "to": day, "status": "failed", "user": "7"},
        "search a row's id": {"q": str(row.pk)},
        "search a trace": {"q": row.trace_id or ""},
        "search an unknown id": {"q": "0190a5c8-0000-7000-8000-000000000000"},
        "search a model": {"q": "model-3"},
        "search text nobody has": {"q": "nothing like it"},
    }
    return {
        **{name: (LIST, query) for name, query in found.items()},
        "one row": (f"{LIST}{row.pk}/change/", {}),
        **{f"dashboard, {name}": (f"{LIST}dashboard/", query) for name, query in dashboards().items()},
    }


def dashboards() -> dict[str, dict[str, str]]:
    """By name: the query strings of the dashboard."""
    from django.utils import timezone

    today = timezone.now().date()
    start = (today - timedelta(days=DAYS)).isoformat()
    return {
        "today": {"range": "today"},
        "7 days": {"range": "7d"},
        "30 days": {"range": "30d"},
        "30 days, Shanghai": {"range": "30d", "tz": "Asia/Shanghai"},
        "all days": {"range": "custom", "from": start, "to": today.isoformat()},
    }


def measure(slack: float = 1.0) -> bool:
    """Print each page's median and slowest of some rounds; whether every median is within the limit."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client()
    client.force_login(get_user_model().objects.get(username="root"))
    are_fast = True
    print(f"{'in ms':28} {'page':>8} {'fastest':>8} {'its SQL':>8} {'fastest':>8}", flush=True)
    for name, (url, query) in pages().items():
        _one(client, url, query)
        rounds = [_one(client, url, query) for _ in range(ROUNDS)]
        page_ms, sql_ms = (statistics.median(figures) for figures in zip(*rounds, strict=True))
        best_ms, best_sql_ms = (min(figures) for figures in zip(*rounds, strict=True))
        limit_ms = DASHBOARD_LIMIT_MS if name.startswith("dashboard") else LIMIT_MS
        is_fast = page_ms <= limit_ms * slack
        are_fast &= is_fast
        verdict = "" if is_fast else "   TOO SLOW"
        print(f"{name:28} {page_ms:8.1f} {best_ms:8.1f} {sql_ms:8.1f} {best_sql_ms:8.1f}{verdict}", flush=True)
    return are_fast


def _one(client: Client, url: str, query: dict[str, Any]) -> tuple[float, float]:
    """Milliseconds of the page, and of its queries."""
    from django.db import connection

    in_sql_s = 0.0

    def timed(execute: Any, *args: Any) -> Any:
        nonlocal in_sql_s
        began_sql = time.perf_counter()
        try:
            return execute(*args)
        finally:
            in_sql_s += time.perf_counter() - began_sql

    began = time.perf_counter()
    with connection.execute_wrapper(timed):
        response = client.get(url, query)
    took_s = time.perf_counter() - began
    if response.status_code != 200:
        raise RuntimeError(f"{url} {query} was answered with {response.status_code}")
    return took_s * 1000, in_sql_s * 1000


if __name__ == "__main__":
    sys.exit(main())
