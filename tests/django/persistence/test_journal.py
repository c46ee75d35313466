"""The journal over a real database: every record becomes one row, whatever the database, the caller or the record does."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, OperationalError, ProgrammingError, connection, connections, transaction
from django.test import override_settings

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence import journal as journal_module
from agentcore_metering.adapters.django.persistence.journal import DjangoRowStore, JournalSink
from agentcore_metering.adapters.django.persistence.repair import repaired
from agentcore_metering.core.types import (
    AttemptRecord,
    CallContext,
    Cost,
    CostSource,
    CostStatus,
    ResponseFacts,
    Usage,
    UsageSource,
)
from agentcore_metering.delivery.adoption import interrupted
from agentcore_metering.delivery.quarantine import Quarantine
from agentcore_metering.delivery.settlement import Settlement
from agentcore_metering.delivery.store import RowsRejected, StoreUnavailable
from agentcore_metering.delivery.throttle import LogThrottle
from tests.delivery.builders import end_of, make_full_record, make_record, make_start
from tests.django.persistence.test_inline import SHAPES
from tests.fakes import FakeClock

pytestmark = pytest.mark.django_db(transaction=True)

SOON_S = 10.0
ROOT = Path(__file__).resolve().parents[3]

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="needs PostgreSQL (DATABASE_URL names one)"
)


class Stubborn:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[JournalSink]:
    made = JournalSink(tmp_path / "spool", "default")
    yield made
    made.close()


@pytest.fixture
def store() -> DjangoRowStore:
    return DjangoRowStore("default")


@pytest.fixture
def settlement(store: DjangoRowStore, tmp_path: Path) -> Settlement:
    clock = FakeClock()
    return Settlement(store, Quarantine(tmp_path, clock, LogThrottle(clock)))


def other_connection() -> Any:
    """A second connection to the same database, as another process would have one."""
    return connections.create_connection("default")


def with_usage(record: AttemptRecord, **counts: Any) -> AttemptRecord:
    return replace(record, facts=ResponseFacts(usage=Usage(source=UsageSource.PROVIDER, **counts)))


def with_metadata(record: AttemptRecord, **metadata: Any) -> AttemptRecord:
    return replace(record, context=replace(record.context, metadata=metadata))


def cost(amount: str) -> Cost:
    return Cost(Decimal(amount), "IDR", CostSource.PROVIDER)


class TestSink:
    def test_call_has_its_row_after_a_flush(self, sink: JournalSink) -> None:
        start = make_start()
        sink.attempt_started(start)
        sink.attempt_ended(end_of(start))

        assert sink.flush(SOON_S)

        row = LLMUsage.objects.get()
        assert (row.id, row.status, row.created_at) == (start.id, "succeeded", end_of(start).ended_at)
        assert sink.pending() == 0
        assert not sink.is_database_down
        assert sink.stats().written == 1

    def test_full_record_makes_the_same_row_by_the_journal_as_without_it(
        self, sink: JournalSink, store: DjangoRowStore
    ) -> None:
        record = replace(make_full_record(), failure=None)
        store.write([record])
        direct = LLMUsage.objects.values().get()
        LLMUsage.objects.all().delete()

        sink.attempt_ended(record)
        assert sink.flush(SOON_S)

        journaled = LLMUsage.objects.values().get()
        assert journaled | {"recorded_at": None} == direct | {"recorded_at": None}

    @pytest.mark.parametrize("shape", SHAPES)
    def test_row_survives_the_callers_transaction(self, sink: JournalSink, shape: Callable[[Any], None]) -> None:
        shape(sink.attempt_ended)

        assert sink.flush(SOON_S)
        assert LLMUsage.objects.count() == 1

    def test_start_delivers_what_a_killed_process_left(self, tmp_path: Path) -> None:
        settings = connection.settings_dict
        url = f"sqlite:///{settings['NAME']}"
        if connection.vendor == "postgresql":
            url = f"postgresql://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
        environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        killed = subprocess.run(
            [sys.executable, "-m", "tests.django.persistence.killed_process", str(tmp_path)],
            cwd=ROOT,
            env=environment,
            check=False,
        )
        assert killed.returncode == -9

        sink = JournalSink(tmp_path, "default")
        sink.start()
        sink.adopt_once()  # or waits until the thread has done it
        sink.close()

        assert LLMUsage.objects.filter(status="succeeded").count() == 100
        row = LLMUsage.objects.get(status="interrupted")
        assert (row.metadata["key"], row.cost, row.success, row.usage_source) == ("100", None, False, "none")


class TestConflicts:
    def test_record_written_twice_leaves_its_row_as_it_is(self, store: DjangoRowStore) -> None:
        record = make_record()
        store.write([record])
        LLMUsage.objects.update(node_name="corrected by hand")

        store.write([record, make_record()])

        assert LLMUsage.objects.count() == 2
        assert LLMUsage.objects.get(id=record.id).node_name == "corrected by hand"

    def test_end_takes_the_place_of_an_interruption(self, store: DjangoRowStore) -> None:
        start = make_start()
        store.write([interrupted(start)])
        LLMUsage.objects.update(recorded_at=None)

        store.write([with_usage(end_of(start), input_tokens=7)])

        row = LLMUsage.objects.get()
        assert (row.status, row.success, row.prompt_tokens) == ("succeeded", True, 7)
        assert row.recorded_at is not None

    def test_interruption_does_not_take_the_place_of_an_end(self, store: DjangoRowStore) -> None:
        start = make_start()
        store.write([end_of(start)])

        store.write([interrupted(start)])

        assert LLMUsage.objects.get().status == "succeeded"

    @pytest.mark.parametrize("is_reversed", [False, True])
    def test_both_in_one_batch_leave_the_end(self, store: DjangoRowStore, is_reversed: bool) -> None:
        start = make_start()
        batch = [interrupted(start), end_of(start)]

        store.write(batch[::-1] if is_reversed else batch)

        assert LLMUsage.objects.get().status == "succeeded"

    @on_postgresql
    def test_end_waits_for_an_interruption_that_is_being_written(self, store: DjangoRowStore) -> None:
        start = make_start()
        has_inserted, may_commit = threading.Event(), threading.Event()

        def interrupt() -> None:
            with transaction.atomic():
                LLMUsage.objects.create(id=start.id, model="m", status="interrupted")
                has_inserted.set()
                may_commit.wait(SOON_S)
            connection.close()

        def end() -> None:
            store.write([end_of(start)])
            connection.close()

        threads = [threading.Thread(target=interrupt), threading.Thread(target=end)]
        threads[0].start()
        assert has_inserted.wait(SOON_S)
        threads[1].start()
        with connection.cursor() as cursor:
            while True:  # until the insert of the end waits for the other's lock
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
                if cursor.fetchone()[0]:
                    break
        may_commit.set()
        for thread in threads:
            thread.join()

        assert LLMUsage.objects.get().status == "succeeded"


POISON: dict[str, Callable[[AttemptRecord], AttemptRecord]] = {
    "a token count of 70 bits": lambda record: with_usage(record, input_tokens=2**70, output_tokens=5),
    "a token count of 10,000 digits": lambda record: with_usage(record, input_tokens=10**10_000, output_tokens=5),
    "an attempt of 70 bits": lambda record: replace(record, attempt=2**70),
    "a half surrogate in a text": lambda record: replace(record, context=replace(record.context, node_name="a\ud800b")),
    "a half surrogate in metadata": lambda record: with_metadata(record, **{"k\ud800": "v\ud800"}),
    "a cost beyond the column": lambda record: replace(record, cost=cost("1e15"), cost_status=CostStatus.PRICED),
    "a cost that is no number": lambda record: replace(record, cost=cost("NaN"), cost_status=CostStatus.PRICED),
    "an endless duration": lambda record: replace(record, duration_s=float("inf")),
    "a duration that is no number": lambda record: replace(record, duration_s=float("nan")),
    "a first chunk in ten thousand years": lambda record: replace(record, time_to_first_chunk_s=1e12),
    "metadata without a text": lambda record: with_metadata(record, value=Stubborn()),
}


class TestPoison:
    @pytest.mark.parametrize("spoil", POISON.values(), ids=POISON)
    def test_poison_at_any_position_is_repaired_and_every_good_row_is_stored(
        self, settlement: Settlement, spoil: Callable[[AttemptRecord], AttemptRecord]
    ) -> None:
        for position in range(5):
            records = [make_record(str(number)) for number in range(5)]
            records[position] = spoil(records[position])

            settlement.deliver(records)

            assert LLMUsage.objects.filter(id__in=[record.id for record in records]).count() == 5
        assert (settlement.written, settlement.quarantined) == (25, 0)

    def test_many_poisons_in_one_batch_cost_nobody_his_row(self, settlement: Settlement) -> None:
        records = [spoil(make_record()) for spoil in POISON.values() for _ in range(3)]
        records[1::2] = [make_record() for _ in records[1::2]]

        settlement.deliver(records)

        assert LLMUsage.objects.count() == len(records)

    def test_nul_in_a_text_needs_no_repair(self, settlement: Settlement) -> None:
        settlement.deliver(
            [replace(make_record(), context=CallContext(node_name="a\x00b", metadata={"k\x00": "v\x00"}))]
        )

        assert (LLMUsage.objects.get().node_name, settlement.repaired) == ("ab", 0)

    def test_refusal_of_everything_is_quarantined(
        self, settlement: Settlement, store: DjangoRowStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store, "repair", lambda record: record)
        hopeless = with_usage(make_record("hopeless"), input_tokens=2**70)

        settlement.deliver([make_record(), hopeless, make_record()])

        assert LLMUsage.objects.count() == 2
        assert '"hopeless"' in (tmp_path / "quarantine.ndjson").read_text()


class TestRepair:
    def test_repair_keeps_what_it_changes_in_the_notes(self) -> None:
        record = replace(
            with_usage(make_record(), input_tokens=2**40, output_tokens=-1),
            context=CallContext(user_id="robot"),
            cost=cost("1e15"),
            cost_status=CostStatus.PRICED,
            notes={"kept": 1},
        )

        mended = repaired(record)

        assert mended.context.user_id is None
        assert (mended.cost, mended.cost_status) == (None, CostStatus.UNPRICED)
        assert (mended.facts.usage.input_tokens, mended.facts.usage.output_tokens) == (1_073_741_823, 0)
        assert mended.notes["kept"] == 1
        assert mended.notes["unresolved_user_id"] == "robot"
        assert mended.notes["refused_cost"] == "1E+15"
        assert mended.notes["refused_usage"]["input_tokens"] == str(2**40)

    def test_repair_of_a_record_without_fault_changes_only_the_user(self) -> None:
        record = make_record(facts=ResponseFacts(usage=Usage(7, 5)), cost=cost("0.5"), cost_status=CostStatus.PRICED)

        mended = repaired(record)

        assert mended == replace(
            record, context=replace(record.context, user_id=None), notes={"unresolved_user_id": "1"}
        )


@pytest.fixture
def missing_column() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE llm_tracker_usage RENAME COLUMN service_tier TO elsewhere")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE llm_tracker_usage RENAME COLUMN elsewhere TO service_tier")


class TestOutages:
    def test_missing_column_waits_for_its_migration(self, store: DjangoRowStore, missing_column: None) -> None:
        with pytest.raises(StoreUnavailable, match="service_tier"):
            store.write([make_record()])

    def test_database_that_is_not_configured_waits(self) -> None:
        with pytest.raises(StoreUnavailable, match="'nowhere'"):
            DjangoRowStore("nowhere").write([make_record()])

    def test_open_transaction_of_the_caller_is_refused(self, store: DjangoRowStore) -> None:
        with transaction.atomic(), pytest.raises(StoreUnavailable, match="inside a transaction"):
            store.write([make_record()])

    def test_locked_table_waits(self, store: DjangoRowStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journal_module, "LOCK_TIMEOUT_S", 0.05)
        with closing(other_connection()) as other, other.cursor() as cursor:
            if connection.vendor == "sqlite":
                with connection.cursor() as own:
                    own.execute("PRAGMA busy_timeout = 50")
                cursor.execute("BEGIN IMMEDIATE")
            else:
                other.set_autocommit(False)
                cursor.execute("LOCK TABLE llm_tracker_usage IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StoreUnavailable, match="lock"):
                store.write([make_record()])
            other.rollback() if connection.vendor != "sqlite" else cursor.execute("ROLLBACK")

        store.write([make_record()])
        assert LLMUsage.objects.count() == 1

    @on_postgresql
    def test_killed_backend_waits_and_the_next_try_opens_a_new_connection(self, store: DjangoRowStore) -> None:
        store.write([make_record()])
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backend = cursor.fetchone()[0]
        with closing(other_connection()) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [backend])

        with pytest.raises(StoreUnavailable):
            store.write([make_record()])
        store.write([make_record()])

        assert LLMUsage.objects.count() == 2

    @on_postgresql
    def test_waits_are_limited_for_the_transaction_alone(self, store: DjangoRowStore) -> None:
        store.write([make_record()])

        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
            assert cursor.fetchone() == ("0", "0")

    def test_journal_waits_for_a_database_that_comes_back(self, sink: JournalSink) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE llm_tracker_usage RENAME TO elsewhere")
        try:
            for _ in range(5):
                sink.attempt_ended(make_record())
            assert not sink.flush(0.2)
            assert sink.is_database_down
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE elsewhere RENAME TO llm_tracker_usage")

        assert sink.flush(SOON_S)
        assert LLMUsage.objects.count() == 5
        assert not sink.is_database_down


class DriverError(Exception):
    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "cause", "expected"),
    [
        (OperationalError, DriverError("server closed the connection"), StoreUnavailable),
        (OperationalError, DriverError("lock timeout", "55P03"), StoreUnavailable),
        (OperationalError, DriverError("string too long to represent as jsonb string", "54000"), RowsRejected),
        (ProgrammingError, DriverError("column does not exist", "42703"), StoreUnavailable),
        (ProgrammingError, DriverError("cannot adapt type 'Stubborn' using placeholder '%s'"), RowsRejected),
        (ProgrammingError, DriverError("Error binding parameter 3: type 'x' is not supported"), RowsRejected),
        (ProgrammingError, DriverError("Cannot operate on a closed database."), StoreUnavailable),
        (DatabaseError, DriverError("database disk image is malformed"), StoreUnavailable),
        (MemoryError, None, StoreUnavailable),
        (ImportError, None, StoreUnavailable),
        (TimeoutError, None, StoreUnavailable),
        (SynchronousOnlyOperation, None, StoreUnavailable),
        (OverflowError, None, RowsRejected),
        (ValueError, None, RowsRejected),
    ],
)
def test_error_is_told_apart(
    store: DjangoRowStore,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    cause: Exception | None,
    expected: type[Exception],
) -> None:
    def fail(rows: Any, using: str) -> None:
        raise error("no") from cause

    monkeypatch.setattr(journal_module, "insert_rows", fail)

    with pytest.raises(expected):
        store.write([make_record()])


def test_release_closes_the_connection_of_this_thread(store: DjangoRowStore) -> None:
    store.write([make_record()])
    assert connection.connection is not None

    store.release()
    store.release()

    assert connection.connection is None


def test_store_on_an_event_loop_keeps_the_record_and_the_connection(store: DjangoRowStore) -> None:
    async def write() -> None:
        with pytest.raises(StoreUnavailable, match="async context"):
            store.write([make_record()])

    store.write([make_record()])
    asyncio.run(write())
    store.write([make_record()])

    assert LLMUsage.objects.count() == 2


def test_release_leaves_an_open_transaction_alone(store: DjangoRowStore) -> None:
    with transaction.atomic():
        store.release()
        assert connection.connection is not None


@override_settings(DEBUG=True)
def test_debug_does_not_collect_statements(store: DjangoRowStore) -> None:
    for _ in range(3):
        store.write([make_record()])

    assert len(connection.queries_log) == 0
