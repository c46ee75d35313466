"""PostgreSQL: retention sums up, keeps and deletes while others write, change and delete rows, in connections of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections, transaction

from agentcore_metering.adapters.django.models import LLMUsage, RollupCoverage
from agentcore_metering.adapters.django.retention import apply_retention
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.rollups.verify import verify
from agentcore_metering.adapters.django.stats.buckets import Period
from agentcore_metering.adapters.django.stats.cube import CubeQuery, cube_rows
from agentcore_metering.adapters.django.stats.totals import Totals, sum_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL (DATABASE_URL names one)"),
]

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
SOON_S = 60.0
TIMES = 40
RETENTION_DAYS = (90, 80, 70, 61)
"""One run after the other; what writers write is younger than all of them, unless the test is about the bound itself."""


def usage(days: float, **fields: Any) -> LLMUsage:
    at = NOW - timedelta(days=days)
    columns = {"model": "m", "user_id": 1, "node_name": "n", "source_type": "s", "status": "succeeded"}
    return LLMUsage(created_at=at, started_at=at - timedelta(seconds=2), cost="0.000000000001", **{**columns, **fields})


@contextmanager
def in_threads(*works: Callable[[int], None]) -> Iterator[None]:
    """Beside the block each work is done so many times, with the number of the time."""
    failures: list[BaseException] = []

    def run(work: Callable[[int], None]) -> None:
        try:
            for number in range(TIMES):
                work(number)
        except BaseException as exc:  # noqa: BLE001 - told below
            failures.append(exc)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join(SOON_S)
    assert failures == []


def of_model(model: str, *dimensions: str) -> Totals:
    """All that is said of a model, added up from a breakdown that takes a cube of its own."""
    query = CubeQuery(("model", *dimensions), has_histograms=True)
    return sum_of([row.totals for row in cube_rows(query, "default") if row.keys[0] == model])


def everything(*dimensions: str) -> Totals:
    return sum_of([row.totals for row in cube_rows(CubeQuery(dimensions, has_histograms=True), "default")])


CUBES = ((), ("error_type",), ("node_name",), ("source_type",), ("user_id",))


def test_every_figure_is_the_rows_that_were_deleted_and_those_that_are_left() -> None:
    LLMUsage.objects.bulk_create(usage(number / 4, prompt_tokens=number) for number in range(480))
    refresh("default", now=NOW)
    before = of_model("m")
    committed = [0, 0]

    def add(number: int) -> None:
        with transaction.atomic():
            LLMUsage.objects.bulk_create(usage(number * 7 % 60, model="added") for _ in range(3))
        committed[0] += 3

    def change(number: int) -> None:
        row = usage(number * 11 % 60, model="changed")
        row.save()
        with transaction.atomic():
            LLMUsage.objects.filter(pk=row.pk).update(prompt_tokens=5, cost="0.1")
            gone = usage(number * 5 % 60, model="gone")
            gone.save()
        gone.delete()
        committed[1] += 1
        if number % 10 == 0:
            refresh("default", now=NOW)

    with in_threads(add, change):
        results = [apply_retention(days, now=NOW, batch_size=20) for days in RETENTION_DAYS]

    apply_retention(RETENTION_DAYS[-1], now=NOW)
    assert sum(result.deleted_usage for result in results) > 0
    assert LLMUsage.objects.filter(model="m").count() < 480
    for dimensions in CUBES:
        assert of_model("m", *dimensions) == before
        assert of_model("added", *dimensions).calls == committed[0]
        assert of_model("changed", *dimensions).prompt_tokens == 5 * committed[1]
        assert of_model("changed", *dimensions).costs[0].amount == committed[1] * Decimal("0.1")
        assert of_model("gone", *dimensions).calls == 0
    refresh("default", now=NOW)
    assert everything("user_id") == everything() == everything("model")
    assert everything().calls == 480 + committed[0] + committed[1]
    assert verify("default").differences == []


def test_row_of_a_day_that_is_just_kept_is_counted_everywhere_or_nowhere() -> None:
    LLMUsage.objects.bulk_create(usage(number / 4) for number in range(480))
    refresh("default", now=NOW)
    committed = [0, 0]

    def adding(place: int) -> Callable[[int], None]:
        def add(number: int) -> None:
            with transaction.atomic():
                LLMUsage.objects.bulk_create([usage(55 + (number * 3 + place) % 40), usage(60 + number % 3)])
            committed[place] += 2

        return add

    with in_threads(adding(0), adding(1)):
        for days in RETENTION_DAYS:
            apply_retention(days, now=NOW, batch_size=20)

    refresh("default", now=NOW)
    totals = everything()
    assert 480 < totals.calls <= 480 + sum(committed)
    assert [of_model("m", *dimensions) for dimensions in CUBES] == [totals] * len(CUBES)
    assert everything("user_id") == totals
    kept_until = RollupCoverage.objects.get().kept_until
    assert kept_until is not None
    live = CubeQuery(period=Period(kept_until, NOW + timedelta(days=1)))
    assert (
        sum(row.totals.calls for row in cube_rows(live, "default"))
        == LLMUsage.objects.filter(created_at__gte=kept_until).count()
    )
    assert verify("default").differences == []
