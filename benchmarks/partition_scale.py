"""`python -m benchmarks.partition_scale`: the usage table divided by months, a month dropped and the table put together again, beside writers.

What is told: how long others had to wait, and that no row and no figure was lost.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.bench_process import describe_machine, django_on_postgres, quantile, verdict
from benchmarks.stats_questions import questions
from benchmarks.stats_rows import fill, sum_up

WRITERS = 2
BATCH = 50
LIMIT_LOCKED_MS = 500.0
YEAR = timedelta(days=365)


def main() -> int:
    """Fill, divide, drop, unite, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.partition_scale")
    parser.add_argument("--rows", type=int, default=1_000_000, help="over a year (default: 1000000)")
    parser.add_argument("--slack", type=float, default=1.0, help="by which the limits are loosened (default: 1)")
    options = parser.parse_args()
    print(f"partitions over {options.rows:,} rows; {describe_machine()}", flush=True)
    with django_on_postgres():
        until = datetime.now(UTC).replace(microsecond=0)
        fill("default", options.rows, until)
        sum_up("default")
        figures = [*_divided_beside_writers(until), *_months_of_a_year(until)]
    return verdict(figures, options.slack)


def _divided_beside_writers(until: datetime) -> list[tuple[str, float, float]]:
    """As an operator does it: nothing is moved."""
    from agentcore_metering.adapters.django.partitions.division import Change, divide, unite

    before = _answers(until)
    insert_ms = _insert_ms()
    figures = []
    works: dict[str, Callable[[], Change]] = {
        "divide": lambda: divide("default", now=until, months=3),
        "unite": lambda: unite("default"),
    }
    for what, work in works.items():
        with _writers() as writing:
            time.sleep(1)
            began_s = time.perf_counter()
            change = work()
            took_s = time.perf_counter() - began_s
            time.sleep(1)
        print(
            f"{what}: {took_s:.2f} s, locked {change.locked_s * 1000:.1f} ms, {change.moved_rows:,} rows moved; beside it "
            f"{writing.rows:,} rows written, batches of {BATCH} took p50 {quantile(writing.took_ms, 0.5):.1f} ms, "
            f"at most {max(writing.took_ms):.0f} ms; {writing.missing()} missing",
            flush=True,
        )
        figures.append((f"rows missing after {what}", float(writing.missing()), 0.0))
        writing.remove()
        _require_same(before, _answers(until), what)
        if what == "divide":
            figures.append(("ms locked by divide", change.locked_s * 1000, LIMIT_LOCKED_MS))
            print(
                f"inserting a batch of {BATCH}: p50 {insert_ms:.2f} ms before, {_insert_ms():.2f} ms divided",
                flush=True,
            )
    return figures


def _months_of_a_year(until: datetime) -> list[tuple[str, float, float]]:
    """The same rows as if the table had been divided a year ago; so they have to be moved, which nobody would wait for."""
    from django.db import connection

    from agentcore_metering.adapters.django.partitions.division import divide
    from agentcore_metering.adapters.django.partitions.layout import partitions
    from agentcore_metering.adapters.django.retention import apply_retention
    from agentcore_metering.adapters.django.stats.cube import CubeQuery, cube_rows

    asked = questions(until)
    plain_ms = {name: _p50_ms(ask) for name, ask in asked.items()}
    before = _answers(until)
    divide("default", now=until - YEAR - timedelta(days=40), months=14, moves_any=True)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    tables = {one.name: one for one in partitions("default")}
    print(f"{len(tables)} tables; {'question':<40} plain, p50 ms   divided, p50 ms")
    for name, ask in asked.items():
        print(f"  {name:<48} {plain_ms[name]:10.1f} {_p50_ms(ask):10.1f}", flush=True)
    _require_same(before, _answers(until), "a division by months")
    everything = CubeQuery(("model",), has_histograms=True)
    calls = sorted(map(repr, cube_rows(everything, "default")))
    for days in (300, 299, 270):
        began_s = time.perf_counter()
        result = apply_retention(days, now=until)
        took_ms = (time.perf_counter() - began_s) * 1000
        dropped = [(name, tables[name].estimated_rows) for name in result.dropped_tables]
        print(f"retention of {days} days: {took_ms:.0f} ms, dropped {dropped}", flush=True)
    _require_same(calls, sorted(map(repr, cube_rows(everything, "default"))), "dropping")
    return [("ms of retention", took_ms, LIMIT_LOCKED_MS)]


def _answers(until: datetime) -> list[str]:
    """Every answer, in an order of its own."""
    answers = (ask() for ask in questions(until).values())
    return [repr(sorted(map(repr, answer)) if isinstance(answer, list) else answer) for answer in answers]


def _require_same(before: Any, after: Any, what: str) -> None:
    if before != after:
        raise RuntimeError(f"figures differ after {what}")


def _p50_ms(work: Callable[[], object]) -> float:
    work()
    return quantile([_took_ms(work) for _ in range(10)], 0.5)


def _took_ms(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return (time.perf_counter() - began_s) * 1000


def _insert_ms() -> float:
    writing = _Writing()
    took = quantile([_took_ms(writing.write) for _ in range(60)], 0.5)
    writing.remove()
    return took


class _Writing:
    """Rows of one run, written as the drainer does: in batches, whose ids may be there already."""

    def __init__(self) -> None:
        self.ids: list[Any] = []
        self.took_ms: list[float] = []

    @property
    def rows(self) -> int:
        return len(self.ids)

    def write(self) -> None:
        from django.db import transaction
        from django.utils import timezone

        from agentcore_metering.adapters.django.persistence.rows import insert_rows
        from agentcore_metering.core.ids import uuid7
        from tests.django.builders import usage_values

        made = [
            usage_values(id=uuid7(), model="written", created_at=timezone.now(), status="succeeded")
            for _ in range(BATCH)
        ]
        for _ in range(2):
            with transaction.atomic():
                insert_rows(made, "default")
        self.ids += [row["id"] for row in made]

    def missing(self) -> int:
        """How many rows are not there once."""
        from agentcore_metering.adapters.django.models import LLMUsage

        return self.rows - LLMUsage.objects.filter(model="written").count()

    def remove(self) -> None:
        from agentcore_metering.adapters.django.models import LLMUsage

        LLMUsage.objects.filter(model="written").delete()


@contextmanager
def _writers() -> Iterator[_Writing]:
    """Within the block rows are written by several threads; afterwards, how long each batch took."""
    from django.db import connections

    writing, is_over = _Writing(), threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            while not is_over.is_set():
                writing.took_ms.append(_took_ms(writing.write))
                is_over.wait(0.02)
        except BaseException as exc:  # noqa: BLE001 - raised below
            failures.append(exc)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield writing
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


if __name__ == "__main__":
    sys.exit(main())
