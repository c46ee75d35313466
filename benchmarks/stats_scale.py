"""`make stats-scale`: every question that is asked of the figures, pages of the list and exports, beside a million rows or ten, over a year.

The questions are asked of the rows alone in the same run, and with `--compare` of a smaller table as well, in turns. Requests go through
the API's views, without a server.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.bench_process import describe_machine, django_on_databases, django_on_sqlite, quantile, verdict
from benchmarks.stats_questions import Question, export_of, pages, questions
from benchmarks.stats_rows import fill, insert, make_users, sum_up

LIMIT_MS = 50.0
LIMIT_LIST_MS = 20.0
LIMIT_RATIO = 1.5
LIMIT_REFRESH_S = 1.0
LIMIT_LATE_ROW_S = 10.0
LIMIT_EXPORT_US = 1e6 / 50_000
LIMIT_GROWTH_MIB = 64.0
REPEATS = 30
ENOUGH_MS = 1000.0
BUSY_HOUR_ROWS = 20_000
EXPORT_ROWS = 500_000

Figure = tuple[str, float, float]


def main() -> int:
    """Fill, sum up, ask, judge."""
    options = _options()
    print(f"figures over {options.rows:,} rows; {describe_machine()}", flush=True)
    sizes = [options.rows, *([options.compare] if options.compare else [])]
    names = [f"rows_{size}" for size in sizes]
    with django_on_sqlite() if options.sqlite else django_on_databases(options.keep, names):
        untils = {alias: _filled(alias, size) for alias, size in zip(("default", "compared"), sizes, strict=False)}
        figures = _ask(untils, questions, LIMIT_MS, has_rows=not options.without_rows)
        sizes_by_alias = dict(zip(untils, sizes, strict=True))
        figures += _ask(sizes_by_alias, pages, LIMIT_LIST_MS, has_rows=False)
        for alias, until in untils.items():
            with _asked_of(alias):
                figures += _measure_export(sizes_by_alias[alias], until)
                figures += _measure_refresh(alias, sizes_by_alias[alias])
    return verdict(figures, options.slack)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stats_scale")
    parser.add_argument("--rows", type=int, default=1_000_000, help="over a year (default: 1000000)")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite instead of PostgreSQL")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="leave the databases there, and use those that are there"
    )
    parser.add_argument("--compare", type=int, metavar="ROWS", help="ask a second, smaller table too, in turns")
    parser.add_argument("--without-rows", action="store_true", help="do not ask the rows alone as well")
    parser.add_argument("--slack", type=float, default=1.0, help="by which the limits are loosened (default: 1)")
    return parser.parse_args()


def _timed(what: str, work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    elapsed_s = time.perf_counter() - began_s
    print(f"{what:<52} {elapsed_s:10.2f} s", flush=True)
    return elapsed_s


def _filled(alias: str, rows: int) -> datetime:
    """When the last of the rows was written; they are made where there are none."""
    from agentcore_metering.adapters.django.models import LLMUsage

    make_users(alias)
    newest = LLMUsage.objects.using(alias).order_by("-created_at").first()
    if newest is None:
        until = datetime.now(UTC).replace(microsecond=0)
        _timed(f"insert {rows:,} rows", lambda: fill(alias, rows, until))
        _timed("sum all of them up", lambda: sum_up(alias, until))
        return until
    # What an older release has left behind; no hour is covered that was open when the rows were made.
    _timed(f"{rows:,} rows are there", lambda: sum_up(alias, newest.created_at))
    return newest.created_at


def _ask(
    tables: Mapping[str, Any], made_of: Callable[[Any], dict[str, Question]], limit_ms: float, *, has_rows: bool
) -> list[Figure]:
    """Each table's questions, in turns; `made_of` what `tables` says of it."""
    asked = {}
    for alias, what in tables.items():
        with _asked_of(alias):
            asked[alias] = made_of(what)
    columns = "".join(f"{'p50 ms':>9} {'p95 ms':>8} {'proc. ms':>9}" for _ in asked)
    print(
        f"\n{'question':<46}{columns} {'ratio p50':>10} {'of proc.':>9} {'rows alone, ms':>15} {'times':>7}", flush=True
    )
    figures: list[Figure] = []
    for name in asked["default"]:
        figures += _ask_one(name, {alias: each[name] for alias, each in asked.items()}, limit_ms, has_rows=has_rows)
    return figures


def _ask_one(name: str, asked: Mapping[str, Question], limit_ms: float, *, has_rows: bool) -> list[Figure]:
    took: dict[str, list[float]] = {alias: [] for alias in asked}
    for number in range(REPEATS + 1):
        for alias, ask in asked.items():
            with _asked_of(alias):
                took_ms = _took_ms(ask)
            if number:  # the first is for caches
                took[alias].append(took_ms)
    p50_ms = {alias: quantile(each, 0.5) for alias, each in took.items()}
    p95_ms = quantile(took["default"], 0.95)
    processor_ms = {alias: _processor_ms(alias, ask) for alias, ask in asked.items()}
    text = "".join(f"{p50_ms[each]:9.1f} {quantile(took[each], 0.95):8.1f} {processor_ms[each]:9.1f}" for each in asked)
    figures = [(f"p95 in ms of {name}", p95_ms, limit_ms)]
    if "compared" in asked:
        ratio = p50_ms["default"] / p50_ms["compared"]
        text += f" {ratio:10.2f} {processor_ms['default'] / max(processor_ms['compared'], 0.1):9.2f}"
        figures.append((f"times as long as beside fewer rows, {name}", ratio, LIMIT_RATIO))
    if has_rows:
        rows_ms = _of_rows_ms(name, asked["default"])
        text += f"{'' if 'compared' in asked else ' ' * 20} {rows_ms:15.1f} {rows_ms / p50_ms['default']:7.0f}"
    print(f"{name:<46}{text}", flush=True)
    return figures


def _of_rows_ms(name: str, ask: Question) -> float:
    answer = ask()
    with _rows_alone():
        began_s = time.perf_counter()
        answer_of_rows = ask()
        took_ms = [(time.perf_counter() - began_s) * 1000]
        if sorted(map(repr, _as_list(answer_of_rows))) != sorted(map(repr, _as_list(answer))):
            raise RuntimeError(f"{name}: the rows say something else")
        while sum(took_ms) < ENOUGH_MS:
            took_ms.append(_took_ms(ask))
    return quantile(took_ms, 0.5)


def _as_list(answer: Any) -> list[Any]:
    return list(answer) if isinstance(answer, list) else [answer]


def _took_ms(work: Question) -> float:
    began_s = time.perf_counter()
    work()
    return (time.perf_counter() - began_s) * 1000


def _processor_ms(alias: str, ask: Question) -> float:
    """What an answer takes of the processor, Python and database together; unlike time it is the same beside others' work, nearly."""
    from django.db import connections

    connection = connections[alias]
    with _asked_of(alias), connection.cursor() as cursor:
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
def _asked_of(alias: str) -> Iterator[None]:
    """The package works on that database within the block."""
    from django.conf import settings

    settings.AGENTCORE_METERING_DATABASE_ALIAS = alias
    try:
        yield
    finally:
        settings.AGENTCORE_METERING_DATABASE_ALIAS = "default"


@contextmanager
def _rows_alone() -> Iterator[None]:
    """No sums within the block."""
    from agentcore_metering.adapters.django.stats import cube

    plans, cube.PLANS = cube.PLANS, 0
    try:
        yield
    finally:
        cube.PLANS = plans


def _measure_export(rows: int, until: datetime) -> list[Figure]:
    """A part of the rows by the view, as it is streamed: the newest half a million."""
    share = min(1.0, EXPORT_ROWS / rows)
    start = until - timedelta(days=365) * share
    figures: list[Figure] = []
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for file_format in ("csv", "jsonl"):
        began_s, cpu_began_s = time.perf_counter(), time.process_time()
        size_bytes = export_of(start, until, file_format)
        elapsed_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_began_s
        rate = rows * share / elapsed_s
        print(
            f"export of {rows * share:,.0f} of {rows:,} rows as {file_format}: {rate:,.0f} rows/s, {size_bytes / 2**20:,.0f} MiB; "
            f"processor of Python {cpu_s:.1f} s of {elapsed_s:.1f} s",
            flush=True,
        )
        if file_format == "csv":
            figures.append((f"microseconds for a row of CSV, of {rows:,}", 1e6 / rate, LIMIT_EXPORT_US))
    growth_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) / 1024
    print(f"{'growth of memory over these exports':<52} {growth_mib:10.1f} MiB")
    return [*figures, (f"growth of memory in MiB, of {rows:,} rows", growth_mib, LIMIT_GROWTH_MIB)]


def _measure_refresh(alias: str, rows: int) -> list[Figure]:
    """An hour more, and a row of long ago; both are taken away again."""
    from agentcore_metering.adapters.django.models import LLMUsage, RollupCoverage
    from agentcore_metering.adapters.django.rollups.refresh import refresh

    end = RollupCoverage.objects.using(alias).get().covered_until
    newest = LLMUsage.objects.using(alias).order_by("-created_at").first()
    assert end is not None
    assert newest is not None
    hour = newest.created_at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    interval = timedelta(hours=1) / (BUSY_HOUR_ROWS + 1)
    refresh(alias, now=hour + timedelta(minutes=10))
    insert(alias, hour, interval, 0, BUSY_HOUR_ROWS)
    later = hour + timedelta(hours=1, minutes=30)
    what = f"beside {rows:,} rows"
    closing_s = _timed(f"close an hour of {BUSY_HOUR_ROWS:,} rows {what}", lambda: refresh(alias, now=later))
    late = hour - timedelta(days=200, seconds=1)
    while (
        LLMUsage.objects.using(alias).filter(created_at=late).exists()
    ):  # what is taken away again has to be this row alone
        late -= timedelta(seconds=1)
    insert(alias, late, interval, 0, 1)
    late_s = _timed(f"a late row in a closed month {what}", lambda: refresh(alias, now=later))
    LLMUsage.objects.using(alias).filter(created_at__gte=hour).delete()
    LLMUsage.objects.using(alias).filter(created_at=late).delete()
    refresh(alias, now=later)
    RollupCoverage.objects.using(alias).update(covered_until=end)
    return [
        (f"seconds to close a busy hour {what}", closing_s, LIMIT_REFRESH_S),
        (f"seconds for a late row {what}", late_s, LIMIT_LATE_ROW_S),
    ]


if __name__ == "__main__":
    sys.exit(main())
