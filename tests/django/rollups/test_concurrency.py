"""PostgreSQL: writers whose transactions are open while hours are covered and summed up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction

from agentcore_metering.adapters.django.models import LLMUsage, RollupMark
from agentcore_metering.adapters.django.rollups import locks
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.rollups.verify import verify
from agentcore_metering.adapters.django.stats.buckets import Period
from agentcore_metering.adapters.django.stats.cube import CubeQuery
from tests.django.rollups.oracle import answer, expected

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL (DATABASE_URL names one)"),
]

HOUR = datetime(2026, 3, 9, 10, tzinfo=UTC)
NOW = HOUR + timedelta(days=2)
ALL = CubeQuery(("model",), Period(HOUR - timedelta(days=40), NOW))
SOON_S = 20.0


@contextmanager
def open_transaction(work: Callable[[], Any], isolation: str = "READ COMMITTED") -> Iterator[None]:
    """In another connection: `work` done before the block, and committed after it."""
    has_written, may_commit = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
                work()
                has_written.set()
                may_commit.wait(SOON_S)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    assert has_written.wait(SOON_S)
    yield
    may_commit.set()
    thread.join(SOON_S)


def add(hours: int = 0) -> None:
    LLMUsage.objects.create(model="m", created_at=HOUR + timedelta(hours=hours, minutes=30))


def calls() -> int:
    return sum(totals.calls for totals in answer(ALL).values())


def test_row_committed_after_its_hour_was_summed_up_is_counted() -> None:
    add()
    refresh("default", now=NOW)

    with open_transaction(add):
        LLMUsage.objects.create(model="other", created_at=HOUR)
        refresh("default", now=NOW)
        assert calls() == 2

    assert calls() == 3
    refresh("default", now=NOW)
    assert (calls(), RollupMark.objects.count()) == (3, 0)
    assert verify("default").differences == []


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_row_of_a_transaction_that_saw_its_hour_open_is_counted(
    isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_WAIT_FOR_WRITERS_MS", 50)
    add(-48)
    refresh("default", now=HOUR)

    with open_transaction(add, isolation):
        refresh("default", now=NOW)
        assert calls() == 1

    assert calls() == 2
    refresh("default", now=NOW)
    assert (calls(), RollupMark.objects.count()) == (2, 0)
    assert verify("default").differences == []


def test_hours_of_an_open_transaction_are_not_covered_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_WAIT_FOR_WRITERS_MS", 50)
    add(-48)
    refresh("default", now=HOUR)

    with open_transaction(add):
        assert refresh("default", now=NOW).covered_hours == 0

    assert refresh("default", now=NOW).covered_hours > 0


def test_second_refresher_leaves_it_to_the_first() -> None:
    add()

    with open_transaction(lambda: locks.take_turn("default")):
        assert refresh("default", now=NOW).is_busy

    assert not refresh("default", now=NOW).is_busy


def test_figures_are_exact_at_every_moment_while_many_write_and_refresh() -> None:
    add()
    refresh("default", now=NOW)
    is_over = threading.Event()
    committed = [0] * 3
    failures: list[BaseException] = []

    def in_thread(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                while not is_over.is_set():
                    work()
            except BaseException as exc:  # noqa: BLE001 - told below
                failures.append(exc)
            finally:
                connections.close_all()

        return threading.Thread(target=run)

    def writing(number: int) -> Callable[[], None]:
        def write() -> None:
            with transaction.atomic():
                add(number - 1)
                add(committed[number] % 7)
            committed[number] += 2

        return write

    threads = [in_thread(writing(number)) for number in range(3)]
    threads.append(in_thread(lambda: void(refresh("default", now=NOW))))
    for thread in threads:
        thread.start()
    try:
        for _ in range(40):
            before = 1 + sum(committed)
            found = calls()
            after = 1 + sum(committed) + 2 * len(committed)
            assert before <= found <= after
    finally:
        is_over.set()
        for thread in threads:
            thread.join(SOON_S)

    assert failures == []
    refresh("default", now=NOW)
    assert calls() == 1 + sum(committed) == LLMUsage.objects.count()
    assert answer(ALL) == expected(ALL)
    assert verify("default").differences == []


def void(_: object) -> None:
    """For a lambda that shall return nothing."""
