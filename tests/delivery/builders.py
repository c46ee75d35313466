"""Records as the lifecycle makes them, and stores that behave as they are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from agentcore_metering.core.ids import uuid7
from agentcore_metering.core.types import (
    AttemptRecord,
    AttemptStart,
    CallContext,
    ConfigScope,
    Cost,
    CostSource,
    CostStatus,
    Failure,
    FailureKind,
    Price,
    ResponseFacts,
    Status,
    TokenClass,
    TraceLink,
    Usage,
    UsageSource,
)
from agentcore_metering.delivery.journal import Journal
from agentcore_metering.delivery.store import RowsRejected, StoreUnavailable
from tests.fakes import make_target

SMALL = 3 * 1024
"""Bytes of a segment that a few records fill."""

STARTED_AT = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


def make_start(key: str = "a", **changes: Any) -> AttemptStart:
    """A start with an id of its own; `key` is in its metadata, as a ledger of the provider would have it."""
    attempt_id = uuid7()
    values: dict[str, Any] = {
        "id": attempt_id,
        "call_id": attempt_id,
        "attempt": 1,
        "target": make_target(),
        "context": CallContext(user_id=1, metadata={"key": key}),
        "started_at": STARTED_AT,
        **changes,
    }
    return AttemptStart(**values)


def end_of(start: AttemptStart, **changes: Any) -> AttemptRecord:
    values: dict[str, Any] = {
        "id": start.id,
        "call_id": start.call_id,
        "attempt": start.attempt,
        "target": start.target,
        "context": start.context,
        "status": Status.SUCCEEDED,
        "started_at": start.started_at,
        "duration_s": 1.25,
        **changes,
    }
    return AttemptRecord(**values)


def make_record(key: str = "a", **changes: Any) -> AttemptRecord:
    return end_of(make_start(key), **changes)


def make_full_record() -> AttemptRecord:
    """A record with a value in every field."""
    usage = Usage(
        100,
        20,
        64,
        8,
        5,
        UsageSource.PROVIDER,
        ("cache_read>input",),
        {"prompt_tokens": 100, "deep": [{"x": 1.5}]},
        *range(1, 10),
    )
    unit_prices = {TokenClass.INPUT: Decimal("0.00000015"), TokenClass.CACHE_READ: Decimal("7.5E-8")}
    price = Price(
        "USD",
        unit_prices,
        CostSource.PRICE_MAP,
        "litellm 1.106.2 sha256:0f3a9c1b",
        {"web_searches": Decimal("0.01")},
        "flex",
        (TokenClass.INPUT_AUDIO,),
    )
    return make_record(
        attempt=2,
        call_id=UUID("01940000-0000-7000-8000-000000000001"),
        target=make_target(
            is_streaming=True,
            server_address="api.openai.com",
            server_port=443,
            config_uuid=UUID("01940000-0000-7000-8000-00000000c0f1"),
            config_scope=ConfigScope.USER,
            requested_service_tier="auto",
            cost_currency="CNY",
        ),
        context=CallContext(
            "42",
            "summarise",
            "task",
            "app.tasks",
            "t-1",
            {"trace_id": "h-7", "n": {"a": [1, None]}},
            "00-aa-bb-01",
            conversation_id="c-3",
        ),
        status=Status.FAILED,
        duration_s=0.1 + 0.2,
        time_to_first_chunk_s=1e-7,
        failure=Failure(
            FailureKind.RATE_LIMIT,
            "RateLimitError",
            "429: langsam, 慢 \x00 \ud83d",
            is_retryable=True,
            retry_after_s=2.5,
        ),
        facts=ResponseFacts(
            usage,
            Decimal("0.0012"),
            "chatcmpl-1",
            "gpt-4o-mini-2024-07-18",
            "stop",
            "default",
            {"web_searches": Decimal(3)},
        ),
        cost=Cost(Decimal("0.000019200000"), "USD", CostSource.PROVIDER, price, Decimal("0.0000190")),
        cost_status=CostStatus.PRICED,
        trace=TraceLink("a" * 32, "b" * 16, is_sampled=True),
        notes={"empty_response_diagnostics": {"choices": 0}},
    )


def key_of(record: AttemptRecord) -> str:
    key: str = record.context.metadata["key"]
    return key


def no_journal() -> Journal:
    """A journal in a place where nothing can be written."""
    return Journal(Path("/proc/nowhere"))


@dataclass
class MemoryStore:
    """Keeps records by id under the conflict rule; fails while it is told to."""

    rows: dict[UUID, AttemptRecord] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    is_down: bool = False
    is_poison: Callable[[AttemptRecord], bool] = lambda record: False
    mend: Callable[[AttemptRecord], AttemptRecord] = lambda record: record
    releases: int = 0

    def write(self, records: Sequence[AttemptRecord]) -> None:
        self.batches.append(len(records))
        if self.is_down:
            raise StoreUnavailable("no route to host")
        if any(map(self.is_poison, records)):
            raise RowsRejected("value too long")
        for record in records:
            there = self.rows.get(record.id)
            if there is None or there.status is Status.INTERRUPTED:
                self.rows[record.id] = record

    def repair(self, record: AttemptRecord) -> AttemptRecord:
        return self.mend(record)

    def release(self) -> None:
        self.releases += 1

    @property
    def keys(self) -> list[str]:
        return sorted(map(key_of, self.rows.values()))


class SqliteStore:
    """A database file that several processes write to. Whether a row came twice shows in its key, not in its id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._connect()) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS usage (id TEXT PRIMARY KEY, key TEXT, status TEXT)")

    def write(self, records: Sequence[AttemptRecord]) -> None:
        values = [(str(record.id), key_of(record), record.status.value) for record in records]
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO usage VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET status = excluded.status "
                "WHERE usage.status = 'interrupted'",
                values,
            )
            connection.execute("COMMIT")

    def repair(self, record: AttemptRecord) -> AttemptRecord:
        return record

    def release(self) -> None:
        """Nothing is held."""

    def rows(self) -> list[tuple[str, str]]:
        """Key and status of every row."""
        with closing(self._connect()) as connection:
            return connection.execute("SELECT key, status FROM usage ORDER BY key").fetchall()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, timeout=10)


def without_user(record: AttemptRecord) -> AttemptRecord:
    return replace(record, context=replace(record.context, user_id=None))


def leave_behind(directory: Path, *entries: AttemptStart | AttemptRecord, delivered: int = 0) -> list[Path]:
    """The segments of a process that died after these entries, the first `delivered` of which had been delivered."""
    journal = Journal(directory, segment_bytes=SMALL)
    for number, entry in enumerate(entries, 1):
        if isinstance(entry, AttemptStart):
            journal.append_start(entry)
        else:
            journal.append_end(entry)
        if number == delivered:
            while chunk := journal.read():
                journal.acknowledge(chunk)
    journal.after_fork_in_child()  # descriptors and locks go, as when a process dies
    return sorted(directory.glob("*.jnl"))


def with_key_of_a_mark(record: AttemptRecord) -> AttemptRecord:
    """Its metadata looks like a line of the journal, as an object and as a text."""
    metadata = {"object": {"v": 1, "k": "e"}, "text": '00000000 {"v":1,"k":"e"'}
    return replace(record, context=replace(record.context, metadata=metadata))
