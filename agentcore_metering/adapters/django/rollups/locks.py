"""Who refreshes alone, and who waits for whom while hours come to be covered.

PostgreSQL: advisory locks that end with the transaction, so they work behind a pooler. SQLite has one writer at a time anyway.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connections
from django.db.models import F

from agentcore_metering.adapters.django.models import RollupCoverage
from agentcore_metering.adapters.django.rollups.triggers import ADVISORY_CLASS, LOCK_SLOTS

__all__ = ["lock_hours", "take_turn"]

_REFRESHER_SLOT = -1
_WAIT_FOR_WRITERS_MS = 1_000


def take_turn(using: str) -> bool:
    """Whether this transaction is the one that refreshes, until it ends. To be its first statement."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [ADVISORY_CLASS, _REFRESHER_SLOT])
            return bool(cursor.fetchone()[0])
    # A write, because SQLite gives no lock to a transaction that has read before somebody else wrote.
    RollupCoverage.objects.using(using).update(refreshed_at=F("refreshed_at"))
    return True


def lock_hours(using: str, start: datetime, hours: int) -> None:
    """Wait until every transaction that has written an unmarked row of these hours is over, and let new ones wait for this one.

    Raises OperationalError where one takes longer than a second: then these hours are covered another time.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return
    first = int(start.timestamp()) // 3600
    slots = sorted({(first + step) % LOCK_SLOTS for step in range(min(hours, LOCK_SLOTS))})
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_WAIT_FOR_WRITERS_MS}ms"])
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, slot) FROM unnest(%s::integer[]) AS slot", [ADVISORY_CLASS, slots]
        )
        cursor.fetchall()
