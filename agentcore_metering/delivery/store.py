"""The port behind which the rows are: what the side-channel asks of a database, and the two ways in which it may refuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agentcore_metering.core.errors import MeteringError
from agentcore_metering.core.types import AttemptRecord

__all__ = ["RowStore", "RowsRejected", "StoreUnavailable"]


class StoreUnavailable(MeteringError):
    """The database is away, locked, or of another schema: nothing is wrong with the records, try again for as long as it takes."""

    code = "store_unavailable"


class RowsRejected(MeteringError):
    """The database is there and will not have at least one of the records; none of them was stored."""

    code = "rows_rejected"


class RowStore(Protocol):
    """Where records become rows. Called by one thread at a time, never by a caller's."""

    def write(self, records: Sequence[AttemptRecord]) -> None:
        """Store all of the records, or none; on return they are committed.

        A record whose row is there already is left as it is, except that it takes the place of an `INTERRUPTED` one. Raises
        StoreUnavailable or RowsRejected; anything else counts as RowsRejected.
        """

    def repair(self, record: AttemptRecord) -> AttemptRecord:
        """The record with everything mended that the store is known to refuse."""

    def release(self) -> None:
        """Give back connections: nothing was written for a while, or the thread ends. Called again and again."""
