"""Owns the triggers by which the database itself marks an hour in the transaction that writes a usage row of it.

So no way of writing is missed (`save`, `bulk_create`, `update`, raw SQL, code of an older release), and nothing depends on what a
process knows or on what its clock says. The proof is in docs/adr/0010-rollups.md.
"""

from __future__ import annotations

from django.db import connections, transaction

from agentcore_metering.adapters.django.models.rollup import RollupCoverage, RollupMark
from agentcore_metering.adapters.django.rollups.cells import USAGE_TABLE

__all__ = ["ADVISORY_CLASS", "LOCK_SLOTS", "are_installed", "install", "install_on", "installed_sql", "uninstall"]

VERSION = 1
"""Part of the names: triggers of another version do not count as installed."""

ADVISORY_CLASS = 0x6D65746C
"""The first key of our advisory locks; the second is an hour's slot."""
LOCK_SLOTS = 256
"""Hours share locks, so that a transaction that writes rows of ten thousand hours does not need as many. A power of two."""

_NAME = "agentcore_metering_rollup"
_MARK = RollupMark._meta.db_table
_COVERAGE = RollupCoverage._meta.db_table

_POSTGRESQL_EVENTS = {
    "insert": "AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
    "update": "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT",
    "delete": "AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT",
    "truncate": "AFTER TRUNCATE ON {table} FOR EACH STATEMENT",
}
_SQLITE_EVENTS = {"insert": ("NEW",), "update": ("OLD", "NEW"), "delete": ("OLD",)}

_FUNCTION = f"{_NAME}_mark_v{VERSION}"
_CREATE_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    touched timestamptz[];
    one timestamptz;
    low timestamptz;
    high timestamptz;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(DISTINCT date_trunc('hour', created_at, 'UTC')) INTO touched FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(DISTINCT date_trunc('hour', created_at, 'UTC')) INTO touched FROM old_rows;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(DISTINCT date_trunc('hour', moment, 'UTC')) INTO touched
        FROM (SELECT created_at AS moment FROM old_rows UNION SELECT created_at FROM new_rows) AS moments;
    ELSE
        -- All rows are gone: whatever has been summed up is wrong.
        UPDATE {_COVERAGE} SET covered_from = NULL, covered_until = NULL;
    END IF;
    IF touched IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT covered_from, covered_until INTO low, high FROM {_COVERAGE};
    FOREACH one IN ARRAY touched LOOP
        -- In a transaction with one snapshot for all of it, the coverage that is read may be old, so the hour is marked in any case.
        IF (one >= low AND one < high) IS NOT TRUE AND current_setting('transaction_isolation') = 'read committed' THEN
            -- Whoever covers this hour takes the lock alone: either he waits until this row is committed, or we see that he did it.
            PERFORM pg_advisory_xact_lock_shared(
                {ADVISORY_CLASS}, CAST(CAST(EXTRACT(EPOCH FROM one) / 3600 AS bigint) & {LOCK_SLOTS - 1} AS integer)
            );
            SELECT covered_from, covered_until INTO low, high FROM {_COVERAGE};
            CONTINUE WHEN (one >= low AND one < high) IS NOT TRUE;
        END IF;
        INSERT INTO {_MARK} (hour, transaction)
        SELECT one, txid_current()
        WHERE NOT EXISTS (SELECT 1 FROM {_MARK} AS own WHERE own.hour = one AND own.transaction = txid_current());
    END LOOP;
    RETURN NULL;
END
$body$
"""


def install(using: str) -> None:
    """Have the triggers on the usage table, and nothing covered: what was summed up without them may be wrong.

    Side effects: none on a database that rollups are not made for.
    """
    connection = connections[using]
    statements = {"postgresql": _postgresql_statements, "sqlite": _sqlite_statements}.get(connection.vendor)
    if statements is None:
        return
    with transaction.atomic(using=using):
        # First, so that nobody who comes in between is covered without leaving marks.
        if not RollupCoverage.objects.using(using).update(covered_from=None, covered_until=None):
            # Not by the model: the migration that calls this knows fewer columns.
            _execute(using, [f"INSERT INTO {_COVERAGE} (covered_from) VALUES (NULL)"])
        uninstall(using)
        _execute(using, statements())
        if connection.vendor == "postgresql":
            for name in _partitions(using):
                install_on(using, name)


def install_on(using: str, table: str) -> None:
    """Have them on another table of PostgreSQL too, one that takes the usage table's place or is a part of it; nothing else changes.

    A statement sets off those of the table that it names, so a partition needs its own for who writes to it directly.
    """
    _execute(using, _postgresql_triggers(table))


def _partitions(using: str) -> list[str]:
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{USAGE_TABLE}'::regclass")
        return [name for (name,) in cursor.fetchall()]


def uninstall(using: str) -> None:
    """Take the triggers off."""
    vendor = connections[using].vendor
    if vendor == "postgresql":
        drops = [f"DROP TRIGGER IF EXISTS {_trigger(event)} ON {USAGE_TABLE}" for event in _POSTGRESQL_EVENTS]
        # With those on partitions.
        _execute(using, [*drops, f"DROP FUNCTION IF EXISTS {_FUNCTION}() CASCADE"])
    elif vendor == "sqlite":
        _execute(using, [f"DROP TRIGGER IF EXISTS {_trigger(event)}" for event in _SQLITE_EVENTS])


def installed_sql(vendor: str) -> str:
    """SQL that is true where all triggers are there and enabled. SQLite loses them whenever a migration makes the table anew."""
    if vendor == "sqlite":
        names = ", ".join(f"'{_trigger(event)}'" for event in _SQLITE_EVENTS)
        return f"((SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name IN ({names})) = {len(_SQLITE_EVENTS)})"
    names = ", ".join(f"'{_trigger(event)}'" for event in _POSTGRESQL_EVENTS)
    return (
        f"((SELECT COUNT(*) FROM pg_trigger WHERE tgrelid = '{USAGE_TABLE}'::regclass AND tgenabled IN ('O', 'A') "
        f"AND tgname IN ({names})) = {len(_POSTGRESQL_EVENTS)})"
    )


def are_installed(using: str) -> bool:
    """Whether every write to a usage row leaves its mark."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {installed_sql(connection.vendor)}", [])
        return bool(cursor.fetchone()[0])


def _postgresql_statements() -> list[str]:
    return [_CREATE_FUNCTION, *_postgresql_triggers(USAGE_TABLE)]


def _postgresql_triggers(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {_trigger(event)} {when.format(table=table)} EXECUTE FUNCTION {_FUNCTION}()"
        for event, when in _POSTGRESQL_EVENTS.items()
    ]


def _sqlite_statements() -> list[str]:
    """One writer at a time: whoever writes sees all that was committed before, so a look at the coverage is enough."""
    return [
        f"CREATE TRIGGER {_trigger(event)} AFTER {event.upper()} ON {USAGE_TABLE} BEGIN {' '.join(map(_sqlite_mark, rows))} END"
        for event, rows in _SQLITE_EVENTS.items()
    ]


def _sqlite_mark(row: str) -> str:
    hour = f"substr({row}.created_at, 1, 13) || ':00:00'"
    return (
        f"INSERT INTO {_MARK} (hour) SELECT {hour} "
        f"WHERE EXISTS (SELECT 1 FROM {_COVERAGE} WHERE covered_from <= {hour} AND covered_until > {hour}) "
        f"AND NOT EXISTS (SELECT 1 FROM {_MARK} WHERE hour = {hour});"
    )


def _trigger(event: str) -> str:
    return f"{_NAME}_{event}_v{VERSION}"


def _execute(using: str, statements: list[str]) -> None:
    with connections[using].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
