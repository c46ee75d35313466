"""Dividing, looking after, dropping and undoing while others write: connections of their own, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.partitions import ddl
from agentcore_metering.adapters.django.partitions.division import divide, unite
from agentcore_metering.adapters.django.partitions.layout import is_partitioned, partitions
from agentcore_metering.adapters.django.partitions.upkeep import keep_up
from agentcore_metering.adapters.django.persistence.rows import insert_rows
from agentcore_metering.adapters.django.retention import apply_retention
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.rollups.verify import verify
from agentcore_metering.adapters.django.stats.cube import CubeQuery, cube_rows
from agentcore_metering.core.ids import uuid7
from tests.django.builders import usage_values
from tests.django.partitions.rows import add, figures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("postgresql")]

SOON_S = 20.0


@pytest.fixture(autouse=True)
def _plain_again(postgresql: None) -> Iterator[None]:
    """Other tests share the database."""
    yield
    unite("default")


@contextmanager
def writers(*, ages: tuple[timedelta, ...] = (timedelta(0),)) -> Iterator[list[int]]:
    """Two threads that write rows so long ago, twice each as a drainer may; afterwards, how many each has committed."""
    is_over, committed, failures = threading.Event(), [0, 0], list[BaseException]()

    def write(number: int) -> None:
        at = timezone.now() - ages[committed[number] % len(ages)]
        rows = [usage_values(id=uuid7(), model="written", created_at=at, cost="0.000000000001") for _ in range(3)]
        for _ in range(2):
            with transaction.atomic():
                insert_rows(rows, "default")
        committed[number] += len(rows)

    def run(number: int) -> None:
        try:
            while not is_over.is_set():
                write(number)
        except BaseException as exc:  # noqa: BLE001 - told below
            failures.append(exc)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield committed
    finally:
        is_over.set()
        for thread in threads:
            thread.join(SOON_S)
    assert failures == []


def written() -> int:
    return sum(row.totals.calls for row in cube_rows(CubeQuery(("model",)), "default") if row.keys == ("written",))


def test_no_row_is_lost_while_the_table_is_divided_looked_after_and_undone() -> None:
    with writers() as committed:
        for _ in range(2):
            divide("default", now=timezone.now(), months=1)
            assert is_partitioned("default")
            keep_up("default", timezone.now(), ahead=4)
            refresh("default")
            unite("default")

    assert min(committed) > 0
    assert LLMUsage.objects.count() == sum(committed) == written()
    refresh("default", now=timezone.now() + timedelta(hours=3))
    assert written() == sum(committed)
    assert verify("default").differences == []


def test_no_figure_is_lost_while_months_are_dropped() -> None:
    now = timezone.now()
    begun = now - timedelta(days=200)
    divide("default", now=begun, months=10)
    for days in range(0, 190, 5):
        add(now - timedelta(days=days), model="before")
    refresh("default", now=now)
    before = figures()

    with writers(ages=(timedelta(0), timedelta(hours=5), timedelta(days=20))) as committed:
        dropped = apply_retention(60, now=now).dropped_tables
        refresh("default", now=now)

    assert len(dropped) >= 3
    assert LLMUsage.objects.filter(model="written").count() == sum(committed) == written()
    LLMUsage.objects.filter(model="written").delete()
    refresh("default", now=now)
    assert figures() == before
    assert verify("default").differences == []


def test_transaction_that_stays_open_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ddl, "PAUSE_S", 0.0)
    monkeypatch.setattr(ddl.in_short_lock, "__kwdefaults__", {"timeout_s": 0.05, "attempts": 2})
    add(timezone.now())
    has_read, may_end = threading.Event(), threading.Event()

    def read() -> None:
        with transaction.atomic():
            LLMUsage.objects.count()
            has_read.set()
            may_end.wait(SOON_S)
        connections.close_all()

    reader = threading.Thread(target=read)
    reader.start()
    assert has_read.wait(SOON_S)
    try:
        with pytest.raises(ddl.Busy, match="keeps the usage table locked"):
            divide("default", now=timezone.now(), months=1)
        add(timezone.now())
    finally:
        may_end.set()
        reader.join(SOON_S)

    assert not is_partitioned("default")
    divide("default", now=timezone.now(), months=1)
    assert len(partitions("default")) == 3
