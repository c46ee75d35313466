"""The sink that has the row in the database before the call returns, outside the caller's transaction where the database allows.

A thread of its own writes on a connection of its own: the caller's rollback, his broken transaction and his event loop do not reach
it. Where no other connection can see the database, or the transaction is a test case's, the caller's connection is used.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

from django.core import mail
from django.db import DatabaseError, InterfaceError, OperationalError, connections

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.off_loop import is_on_event_loop, off_loop
from agentcore_metering.adapters.django.persistence.rows import usage_row, write_rows
from agentcore_metering.core.payload import to_json
from agentcore_metering.core.types import AttemptRecord, AttemptStart

__all__ = ["InlineSink"]

logger = logging.getLogger(__name__)

GIVE_UP_AFTER_S = 5.0
"""How long a row is tried for when the database is away; exit waits for it."""
RETRY_DELAYS_S = (0.05, 0.1, 0.2, 0.4, 0.8)


class InlineSink:
    """Writes each record as it ends; waits for it at most `AGENTCORE_METERING_INLINE_WAIT_S` seconds, and not at all on an event loop."""

    def __init__(self) -> None:
        # Reentrant, because a signal's handler may make calls too.
        self._lock = threading.RLock()
        self._executor: ThreadPoolExecutor | None = None
        self._owner_pid = 0
        self._unsettled: deque[AttemptRecord] = deque()

    def attempt_started(self, start: AttemptStart) -> None:
        """Nothing: an attempt whose process dies leaves no row in this mode."""

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Write the record's row. A row that cannot be written is logged whole, at CRITICAL."""
        alias = metering_settings.DATABASE_ALIAS
        if _must_share_connection(alias):
            self._unsettled.append(record)
            if not is_on_event_loop():
                self._write_unsettled()
            return
        future = self._submit(lambda: _write_or_tell(record, alias))
        if not _would_wait_for_caller(alias) and not is_on_event_loop():
            try:
                future.result(metering_settings.INLINE_WAIT_S)
            except FutureTimeoutError:
                logger.warning("Usage row %s is still being written; the call goes on", record.id)

    async def settle(self) -> None:
        """Write, in the thread that owns the connection, what came up on the event loop; wait for the writer's own thread."""
        if self._unsettled:
            await off_loop(self._write_unsettled)
        if self._executor is not None:
            await asyncio.wrap_future(self._submit(lambda: None))

    def _write_unsettled(self) -> None:
        while self._unsettled:
            write_rows([self._unsettled.popleft()], metering_settings.DATABASE_ALIAS)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything submitted so far is written; False when that took longer than `timeout_s`."""
        self._write_unsettled()
        try:
            self._submit(lambda: None).result(timeout_s)
        except FutureTimeoutError:
            return False
        return True

    def close(self) -> None:
        """Write what is left and end the thread."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None and self._owner_pid == os.getpid():
            executor.shutdown(wait=True)

    def _submit(self, work: Callable[[], None]) -> Future[None]:
        with self._lock:
            # After a fork the parent's thread does not exist here.
            if self._executor is None or self._owner_pid != os.getpid():
                self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="agentcore-metering-writer")
                self._owner_pid = os.getpid()
            return self._executor.submit(work)


def _must_share_connection(alias: str) -> bool:
    """Whether only the caller's connection will do: in-memory SQLite, or a test case that rolls its transaction back."""
    connection = connections[alias]
    if connection.vendor == "sqlite" and connection.is_in_memory_db():  # type: ignore[attr-defined]
        return True
    if is_on_event_loop():
        # The loop's thread sees no test case's transaction, which the thread has that the loop was started from.
        return hasattr(mail, "outbox")
    return any(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def _would_wait_for_caller(alias: str) -> bool:
    """Whether the caller's open transaction holds the lock that the writer needs: one writer at a time in SQLite."""
    connection = connections[alias]
    return connection.vendor == "sqlite" and connection.in_atomic_block


def _write_or_tell(record: AttemptRecord, alias: str) -> None:
    try:
        _write_with_retries(record, alias)
    except Exception as exc:  # noqa: BLE001 - the last stop of a record: it is told whole, never lost in silence
        row = json.dumps(to_json(usage_row(record)))
        logger.critical("Usage row %s could not be written (%s): %s", record.id, exc, row)
    finally:
        connections[alias].close()


def _write_with_retries(record: AttemptRecord, alias: str) -> None:
    give_up_at_s = time.monotonic() + GIVE_UP_AFTER_S
    for delay_s in (*RETRY_DELAYS_S, *[RETRY_DELAYS_S[-1]] * 10):
        try:
            write_rows([record], alias)
        except (OperationalError, InterfaceError) as exc:
            if time.monotonic() + delay_s > give_up_at_s:
                raise
            logger.info("Usage row %s waits for the database: %s", record.id, exc)
            connections[alias].close()
            time.sleep(delay_s)
        else:
            return
    raise DatabaseError(f"not written within {GIVE_UP_AFTER_S} s")
