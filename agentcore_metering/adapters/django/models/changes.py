"""Counts the writes of this process to rows that are cached elsewhere, so that a cache knows at once that it is behind.

Writes of other processes are not seen: whoever caches looks again after a while.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import models, transaction

__all__ = ["ChangeNotingModel", "generation", "note_change"]

_generations: Counter[str] = Counter()


def generation(table: str) -> int:
    """How often rows of `table` have been written by this process; a different figure than last time means: read anew."""
    return _generations[table]


def note_change(table: str, using: str | None) -> None:
    """Rows of `table` were written: now, and for other connections when the transaction is committed."""
    _count(table)
    connection = transaction.get_connection(using)
    if connection.in_atomic_block:
        transaction.on_commit(lambda: _count(table), using=using)


def _count(table: str) -> None:
    _generations[table] += 1


class ChangeNotingModel(models.Model):
    """A row that is cached elsewhere."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As Django's."""
        super().save(*args, **kwargs)
        note_change(self._meta.db_table, self._state.db)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """As Django's."""
        using = self._state.db
        deleted = super().delete(*args, **kwargs)
        note_change(self._meta.db_table, using)
        return deleted
