"""Rows outside the caller's transaction, whatever becomes of it. The naive way, as control, loses them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test import TransactionTestCase, override_settings

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence import inline
from agentcore_metering.adapters.django.persistence.inline import InlineSink
from agentcore_metering.adapters.django.persistence.rows import write_rows
from agentcore_metering.core.types import AttemptRecord
from tests.django.persistence.test_rows import make_record

Write = Callable[[AttemptRecord], None]


class Rollback(Exception):
    """What a host's code raises to undo its work."""


@pytest.fixture
def sink() -> Any:
    sink = InlineSink()
    yield sink
    sink.close()


def rolled_back(write: Write) -> None:
    with suppress(Rollback), transaction.atomic():
        write(make_record())
        raise Rollback


def rolled_back_savepoint(write: Write) -> None:
    with transaction.atomic(), suppress(Rollback), transaction.atomic():
        write(make_record())
        raise Rollback


def aborted(write: Write) -> None:
    with suppress(DatabaseError), transaction.atomic():
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM llm_tracker_usage")
        transaction.set_rollback(True)
        write(make_record())


def on_an_event_loop(write: Write) -> None:
    async def call() -> None:
        write(make_record())

    # In a thread of its own: `asyncio.run` takes the main thread's event loop away, which LiteLLM has made and would leave unclosed.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, call()).result()


SHAPES = [rolled_back, rolled_back_savepoint, aborted, on_an_event_loop]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_survives_the_callers_transaction(shape: Callable[[Write], None], sink: InlineSink) -> None:
    shape(sink.attempt_ended)

    assert sink.flush(10)
    assert LLMUsage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_naive_way_loses_it(shape: Callable[[Write], None]) -> None:
    def naive(record: AttemptRecord) -> None:
        with suppress(Exception):
            write_rows([record], "default")

    shape(naive)

    assert LLMUsage.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_row_is_there_when_the_call_returns(sink: InlineSink) -> None:
    sink.attempt_ended(make_record())

    assert LLMUsage.objects.count() == 1


@pytest.mark.django_db
def test_in_a_test_case_the_row_is_rolled_back_with_the_test(sink: InlineSink) -> None:
    sink.attempt_ended(make_record())

    assert LLMUsage.objects.count() == 1
    assert sink._executor is None


class TestCaseOfAHost(TransactionTestCase):
    """Django's own test case with real transactions: rows are really written, and flushed with the test's."""

    def test_row_is_written(self) -> None:
        sink = InlineSink()
        sink.attempt_ended(make_record())
        sink.close()

        assert LLMUsage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_forked_child_writes_by_a_thread_of_its_own(sink: InlineSink) -> None:
    sink.attempt_ended(make_record())
    parent = sink._executor
    connection.close()

    pid = os.getpid()
    sink._owner_pid = pid - 1  # as a child sees it: the executor is the parent's, whose thread does not exist here
    sink.attempt_ended(make_record(id="01900000-0000-7000-8000-000000000009"))

    assert sink._executor is not parent
    assert LLMUsage.objects.count() == 2
    parent.shutdown()  # type: ignore[union-attr]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_for_a_moment_is_waited_for(sink: InlineSink, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OperationalError("starting up"), OperationalError("starting up")]

    def flaky(records: Any, using: str) -> None:
        if failures:
            raise failures.pop()
        write_rows(records, using)

    monkeypatch.setattr(inline, "write_rows", flaky)

    sink.attempt_ended(make_record())

    assert LLMUsage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_row_that_cannot_be_written_is_told_whole(
    sink: InlineSink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(records: Any, using: str) -> None:
        raise DatabaseError("disk on fire")

    monkeypatch.setattr(inline, "write_rows", refuse)

    sink.attempt_ended(make_record())

    [told] = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "disk on fire" in told.getMessage()
    assert '"prompt_tokens": 10' in told.getMessage()


@pytest.mark.django_db(transaction=True)
@override_settings(AGENTCORE_METERING_INLINE_WAIT_S=0.0)
def test_a_call_goes_on_when_the_row_takes_too_long(sink: InlineSink, caplog: pytest.LogCaptureFixture) -> None:
    import threading

    gate = threading.Event()
    sink._submit(gate.wait)  # type: ignore[arg-type]
    sink.attempt_ended(make_record())
    gate.set()

    assert "still being written" in caplog.text
    assert sink.flush(10)
    assert LLMUsage.objects.count() == 1
