"""The sink whose records are on disk before a call returns and in the database soon after, whatever becomes of transaction or process.

Owns how Django's errors are told apart: a database that is away, or a record that it will not have. The journal itself is `delivery`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import (
    AppRegistryNotReady,
    ImproperlyConfigured,
    SynchronousOnlyOperation,
    ValidationError,
)
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    connections,
    transaction,
)
from django.utils.connection import ConnectionDoesNotExist

from agentcore_metering.adapters.django.persistence.repair import repaired
from agentcore_metering.adapters.django.persistence.rows import insert_rows, usage_row
from agentcore_metering.core.types import AttemptRecord, AttemptStart
from agentcore_metering.delivery.journal import MAX_BYTES, Journal, SyncMode
from agentcore_metering.delivery.stats import WriterStats
from agentcore_metering.delivery.store import RowsRejected, StoreUnavailable
from agentcore_metering.delivery.writer import Writer

__all__ = ["DjangoRowStore", "JournalSink"]

LOCK_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 10

_REFUSALS = (IntegrityError, DataError, ValidationError, ValueError, TypeError, ArithmeticError)
_OUTAGES = (
    DatabaseError,
    InterfaceError,
    ConnectionDoesNotExist,
    ImproperlyConfigured,
    AppRegistryNotReady,
    # Under gevent a loop that runs in one greenlet seems to run in all of them, the delivering one too, as long as it does.
    SynchronousOnlyOperation,
    ImportError,
    OSError,
    MemoryError,
)
_PROGRAM_LIMIT_EXCEEDED = "54"
"""The class of SQLSTATE that psycopg tells as OperationalError although the row is to blame, such as a JSON text too long for jsonb."""


class JournalSink:
    """A `RecordSink` over a journal in `directory`, delivered to the database `alias` by a thread with a connection of its own."""

    def __init__(
        self,
        directory: Path,
        alias: str,
        *,
        max_bytes: int = MAX_BYTES,
        sync_mode: SyncMode = SyncMode.INTERVAL,
        has_threads: bool = True,
        after_write: Callable[[], None] | None = None,
    ) -> None:
        """Side effects: none before the first record, except that the process delivers what is left when it exits.

        `max_bytes` is for the segments of all processes in `directory`; past it, records wait in memory. Without threads this process
        delivers nothing. `after_write` is called after each batch, in the thread that has committed it; it must not raise.
        """
        journal = Journal(directory, max_bytes=max_bytes, sync_mode=sync_mode)
        self.writer = Writer(journal, DjangoRowStore(alias, after_write), has_threads=has_threads)

    def attempt_started(self, start: AttemptStart) -> None:
        """Put the start down: should the process die now, its row will say so."""
        self.writer.attempt_started(start)

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Put the record down; its row follows."""
        self.writer.attempt_ended(record)

    async def settle(self) -> None:
        """Nothing: no part of this waits for a database."""

    def start(self) -> None:
        """Deliver what dead processes have left, without waiting for this one's first call."""
        self.writer.start()

    def pending(self) -> int:
        """Records of this process that are not yet in the database."""
        return self.writer.pending()

    @property
    def is_database_down(self) -> bool:
        """Whether the last attempt to write failed, or one takes suspiciously long."""
        return self.writer.is_database_down

    def flush(self, timeout_s: float) -> bool:
        """Wait until all records of this process so far are in the database; False when that took longer than `timeout_s`."""
        return self.writer.flush(timeout_s)

    def adopt_once(self) -> int:
        """Deliver, in this thread, what dead processes have left; the number of segments. Raises StoreUnavailable."""
        return self.writer.adopt_once()

    def stats(self) -> WriterStats:
        """How the journal stands."""
        return self.writer.stats()

    def close(self) -> None:
        """Write what is left and end the threads; what cannot be written stays in the journal."""
        self.writer.close()


class DjangoRowStore:
    """`RowStore` over the usage table of one database, on the connection of the thread that calls it."""

    def __init__(self, alias: str, after_write: Callable[[], None] | None = None) -> None:
        self._alias = alias
        self._after_write = after_write

    def write(self, records: Sequence[AttemptRecord]) -> None:
        """Commit the rows of all records, or of none. Raises StoreUnavailable or RowsRejected."""
        try:
            self._write(records)
        except _REFUSALS as exc:
            raise RowsRejected(f"{type(exc).__name__}: {exc}") from exc
        except _OUTAGES as exc:
            if _is_refusal(exc):
                raise RowsRejected(f"{type(exc).__name__}: {exc}") from exc
            self.release()
            raise StoreUnavailable(f"database {self._alias!r}: {type(exc).__name__}: {exc}") from exc
        # Last, so that nothing in it makes rows count as refused that are committed.
        if self._after_write is not None:
            self._after_write()

    def repair(self, record: AttemptRecord) -> AttemptRecord:
        """The record without what databases are known to refuse."""
        return repaired(record)

    def release(self) -> None:
        """Close this thread's connection; the next write opens one. Nothing where a transaction of the caller's is open."""
        if self._alias in connections and not connections[self._alias].in_atomic_block:
            with suppress(SynchronousOnlyOperation):  # not now: see _OUTAGES
                connections[self._alias].close()

    def _write(self, records: Sequence[AttemptRecord]) -> None:
        connection = connections[self._alias]
        if connection.in_atomic_block:
            raise StoreUnavailable(
                f"database {self._alias!r}: rows cannot be committed inside a transaction that is open in this thread; call outside of it"
            )
        rows = [usage_row(record) for record in records]
        try:
            with transaction.atomic(using=self._alias):
                if connection.vendor == "postgresql":
                    _limit_waits(self._alias)
                insert_rows(rows, self._alias)
        finally:
            # With DEBUG the texts of the last 9,000 statements are kept, and this thread has no request that would clear them.
            connection.queries_log.clear()


def _limit_waits(alias: str) -> None:
    """For this transaction alone, so that it also works behind a pooler that shares connections."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
            [f"{LOCK_TIMEOUT_S}s", f"{STATEMENT_TIMEOUT_S}s"],
        )


def _is_refusal(exc: BaseException) -> bool:
    """Whether an error of a class that tells of outages is about a value all the same."""
    cause = exc.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state is not None:
        return str(state).startswith(_PROGRAM_LIMIT_EXCEEDED)
    # Raised by the driver before anything was sent: no such Python type in SQL.
    return isinstance(exc, ProgrammingError) and any(
        text in str(cause) for text in ("cannot adapt", "can't adapt", "binding parameter")
    )
