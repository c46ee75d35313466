"""Owns the moment at which several statements read: what others commit between them is seen by none of them, or by all.

Only outside of a transaction. Within one it is up to its owner what its statements see, and a single statement is what is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

__all__ = ["can_have_snapshot", "one_snapshot"]


def can_have_snapshot(using: str) -> bool:
    """Whether `one_snapshot` may begin on this connection now."""
    connection = connections[using]
    return connection.get_autocommit() and not connection.in_atomic_block


@contextmanager
def one_snapshot(using: str) -> Iterator[None]:
    """A transaction for reading, which keeps no writer waiting on PostgreSQL, and on SQLite none that has a journal of its own (WAL)."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        with transaction.atomic(using=using), connection.cursor() as cursor:
            # Without compiling, which takes longer than these statements, whose estimates are too high for that.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off")
            yield
        return
    with connection.cursor() as cursor:
        # Django's own would begin as the host's `transaction_mode` says, perhaps as a writer.
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
