"""The names under which the side-channel counts what went wrong on a record's way, none of which loses it."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Fault"]


class Fault(StrEnum):
    """Why a record did not get where it should at the first try."""

    DATABASE_UNAVAILABLE = "database_unavailable"
    """An attempt to write rows found the database away; it is repeated."""
    ROWS_REJECTED = "rows_rejected"
    """The database was there and would not have at least one row of a batch; the batch is divided."""
    JOURNAL_FULL = "journal_full"
    """The spool has reached its limit; records wait in memory."""
    JOURNAL_UNWRITABLE = "journal_unwritable"
    """The disk refuses, hangs, or a record has no line; records wait in memory."""
