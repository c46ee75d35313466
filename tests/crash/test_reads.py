"""A process reads what it has just written, wherever it asks; it waits for no longer than it was allowed to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import override_settings

from agentcore_metering.adapters.django import runtime
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.journal import DjangoRowStore, JournalSink
from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.store import StoreUnavailable
from tests.crash.shapes import serve_atomically
from tests.delivery.builders import make_record

pytestmark = pytest.mark.django_db(transaction=True)

LONG_S = 30.0
SHORT_S = 0.2
SOON_S = 5.0
"""Much longer than anything that is measured here takes, much shorter than `LONG_S`."""

Read = Callable[[UUID], Any]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[JournalSink]:
    """The one of this process, which queries wait for."""
    with override_settings(
        AGENTCORE_METERING_WRITE_MODE="journal",
        AGENTCORE_METERING_SPOOL_DIR=tmp_path,
        AGENTCORE_METERING_READ_WAIT_S=LONG_S,
    ):
        runtime.reset()
        made = runtime.get_metering().sink
        assert isinstance(made, JournalSink)
        yield made
        runtime.reset()


def write(sink: JournalSink) -> UUID:
    record = make_record()
    sink.attempt_ended(record)
    return record.id


def outside_of_a_transaction(row_id: UUID) -> Any:
    return LLMUsage.objects.filter(id=row_id).first()


def in_a_transaction(row_id: UUID) -> Any:
    with transaction.atomic():
        return LLMUsage.objects.filter(id=row_id).first()


def in_a_thread(row_id: UUID) -> Any:
    def read() -> Any:
        try:
            return LLMUsage.objects.filter(id=row_id).first()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(read).result()


def in_a_view(row_id: UUID) -> Any:
    found: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        found.append(LLMUsage.objects.filter(id=row_id).first())
        return HttpResponse()

    assert serve_atomically(view) == 200
    return found[0]


def by_aget(row_id: UUID) -> Any:
    return on_an_event_loop(lambda: LLMUsage.objects.aget(id=row_id))


def by_afirst(row_id: UUID) -> Any:
    return on_an_event_loop(lambda: LLMUsage.objects.filter(id=row_id).afirst())


def on_an_event_loop(query: Callable[[], Any]) -> Any:
    async def run() -> Any:
        try:
            return await query()
        finally:
            await sync_to_async(connections.close_all)()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, run()).result()


PLACES: list[Read] = [outside_of_a_transaction, in_a_transaction, in_a_thread, in_a_view, by_aget, by_afirst]
TRANSACTIONAL = (in_a_transaction, in_a_view)


@pytest.mark.parametrize("read", PLACES)
def test_query_right_after_the_call_finds_the_row(sink: JournalSink, read: Read) -> None:
    if connection.vendor == "sqlite" and read in TRANSACTIONAL:
        pytest.skip("SQLite: the reader's own transaction keeps the writer out, so it is not waited for")

    for _ in range(20):
        row_id = write(sink)
        assert read(row_id).id == row_id


@pytest.mark.parametrize("read", [outside_of_a_transaction, in_a_thread, by_aget])
def test_query_that_does_not_wait_misses_it(sink: JournalSink, read: Read, slow_store: threading.Event) -> None:
    with override_settings(AGENTCORE_METERING_READ_WAIT_S=0):
        row_id = write(sink)
        with suppress(LLMUsage.DoesNotExist):
            assert read(row_id) is None
        slow_store.set()


def test_transaction_in_sqlite_is_not_waited_for(sink: JournalSink) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("other databases have more than one writer")

    with transaction.atomic():
        row_id = write(sink)
        began_s = time.monotonic()
        assert LLMUsage.objects.filter(id=row_id).first() is None
        assert time.monotonic() - began_s < SOON_S

    assert LLMUsage.objects.filter(id=row_id).first() is not None


@pytest.fixture
def slow_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A database that takes a write and does not answer until the event is set."""
    may_answer = threading.Event()
    write_rows = DjangoRowStore.write

    def wait_and_write(store: DjangoRowStore, records: Sequence[AttemptRecord]) -> None:
        may_answer.wait(LONG_S)
        write_rows(store, records)

    monkeypatch.setattr(DjangoRowStore, "write", wait_and_write)
    yield may_answer
    may_answer.set()


def test_wait_for_a_slow_database_is_bounded(sink: JournalSink, slow_store: threading.Event) -> None:
    row_id = write(sink)

    with override_settings(AGENTCORE_METERING_READ_WAIT_S=SHORT_S):
        began_s = time.monotonic()
        row = LLMUsage.objects.filter(id=row_id).first()
        waited_s = time.monotonic() - began_s

    assert row is None
    assert SHORT_S <= waited_s < SOON_S
    slow_store.set()
    assert LLMUsage.objects.filter(id=row_id).first() is not None


def test_database_that_is_known_to_be_down_is_not_waited_for(
    sink: JournalSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(store: DjangoRowStore, records: Sequence[AttemptRecord]) -> None:
        raise StoreUnavailable("no route to host")

    with monkeypatch.context() as away:
        away.setattr(DjangoRowStore, "write", refuse)
        row_id = write(sink)
        assert not sink.flush(SHORT_S)
        assert sink.is_database_down

        began_s = time.monotonic()
        assert LLMUsage.objects.filter(id=row_id).first() is None
        assert time.monotonic() - began_s < SOON_S

    assert sink.flush(LONG_S)
    assert LLMUsage.objects.filter(id=row_id).first() is not None


def test_query_of_another_process_finds_the_row_within_a_second_or_so(sink: JournalSink) -> None:
    row_id = write(sink)
    other = connections.create_connection("default")
    until_s = time.monotonic() + LONG_S
    try:
        while time.monotonic() < until_s:
            with other.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM llm_tracker_usage")
                if cursor.fetchone()[0]:
                    break
    finally:
        other.close()

    assert time.monotonic() < until_s
    assert LLMUsage.objects.filter(id=row_id).first() is not None
