"""Reading one's own writes: a query on usage waits for the rows that this process has on their way.

An existing project looks its row up right after the call. Nothing pending costs one comparison of integers; other processes see a row
within a second.
"""

from __future__ import annotations

from functools import partial

from django.db import connections

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.models.querysets import set_read_hook
from agentcore_metering.adapters.django.off_loop import is_on_event_loop
from agentcore_metering.adapters.django.persistence.journal import JournalSink
from agentcore_metering.adapters.django.persistence.modes import Sink

__all__ = ["let_reads_wait_for", "wait_for_pending"]


def let_reads_wait_for(sink: Sink | None) -> None:
    """From now on queries on usage rows wait for what this sink has pending; for nothing, where it writes inline or is None."""
    set_read_hook(partial(wait_for_pending, sink) if isinstance(sink, JournalSink) else None)


def wait_for_pending(sink: JournalSink, alias: str) -> None:
    """Wait, at most `AGENTCORE_METERING_READ_WAIT_S` seconds, until what `sink` has pending is in the database that is read from.

    Not at all while the database is known to be down, on an event loop, or in an open transaction that the writer would wait for: in
    SQLite the reader's lock keeps every writer out.
    """
    if sink.pending() == 0 or alias != metering_settings.DATABASE_ALIAS or sink.is_database_down:
        return
    connection = connections[alias]
    if is_on_event_loop() or (connection.vendor == "sqlite" and connection.in_atomic_block):
        return
    wait_s = metering_settings.READ_WAIT_S
    if wait_s > 0:
        sink.flush(wait_s)
