"""Pieces of DDL that dividing and undoing share: who does it alone, short waits for locks, what hangs on a table that is replaced."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import OperationalError, connections, transaction

from agentcore_metering.adapters.django.partitions.months import TABLE
from agentcore_metering.adapters.django.rollups.statements import execute, rows_of
from agentcore_metering.adapters.django.rollups.triggers import ADVISORY_CLASS

__all__ = [
    "ATTEMPTS",
    "Busy",
    "Dependents",
    "alone",
    "claim",
    "dependents_of",
    "in_short_lock",
    "move",
    "quoted",
    "run",
]

LOCK_TIMEOUT_S = 2.0
"""Others queue behind a lock that is waited for, so it is not waited for long."""
ATTEMPTS = 5
PAUSE_S = 0.5

_SLOT = -2
_RETRIED = ("55P03", "40P01")
"""Waited too long for a lock; a deadlock, which PostgreSQL has resolved against us."""

T = TypeVar("T")


class Busy(Exception):
    """Another process is at it, or a transaction holds the table for longer than is waited; nothing was changed, try again later."""


@contextmanager
def alone(using: str) -> Iterator[None]:
    """Within the block no other process changes the layout. Raises Busy. Needs a session of its own, so no pooler by transactions."""
    (is_mine,) = rows_of(using, "SELECT pg_try_advisory_lock(%s, %s)", [ADVISORY_CLASS, _SLOT])[0]
    if not is_mine:
        raise Busy("another process is changing the partitions")
    try:
        yield
    finally:
        rows_of(using, "SELECT pg_advisory_unlock(%s, %s)", [ADVISORY_CLASS, _SLOT])


def claim(using: str) -> None:
    """As `alone`, until the transaction ends; this works behind a pooler too. Raises Busy."""
    (is_mine,) = rows_of(using, "SELECT pg_try_advisory_xact_lock(%s, %s)", [ADVISORY_CLASS, _SLOT])[0]
    if not is_mine:
        raise Busy("another process is changing the partitions")


def in_short_lock(
    using: str, work: Callable[[], T], *, timeout_s: float = LOCK_TIMEOUT_S, attempts: int = ATTEMPTS
) -> T:
    """What `work` returns, done in a transaction that waits for no lock longer than `timeout_s`. Raises Busy after so many attempts."""
    for attempt in range(attempts):
        try:
            with transaction.atomic(using=using):
                run(using, f"SET LOCAL lock_timeout = {int(timeout_s * 1000)}")
                return work()
        except OperationalError as exc:
            if getattr(exc.__cause__, "sqlstate", None) not in _RETRIED:
                raise
            if attempt + 1 == attempts:
                raise Busy(f"a transaction keeps the usage table locked: {exc}") from exc
        time.sleep(PAUSE_S * (attempt + 1))
    raise AssertionError("the last attempt returns or raises")


def run(using: str, sql: str) -> None:
    """Run a statement as it stands: a percent sign in it is one."""
    with connections[using].cursor() as cursor:
        cursor.execute(sql)


def move(using: str, source: str, target: str, condition: str, parameters: Sequence[Any]) -> int:
    """Take the rows that `condition` selects from one table to another; how many. No trigger sees it, because no figure changes."""
    run(using, f"ALTER TABLE {source} DISABLE TRIGGER USER")
    moved = execute(
        using,
        f"WITH moved AS (DELETE FROM {source} WHERE {condition} RETURNING *) INSERT INTO {target} SELECT * FROM moved",
        parameters,
    )
    run(using, f"ALTER TABLE {source} ENABLE TRIGGER USER")
    return moved


def quoted(using: str, name: str) -> str:
    """A name as SQL has it."""
    return str(connections[using].ops.quote_name(name))


@dataclass(frozen=True, slots=True)
class Dependents:
    """What the usage table has besides rows, as statements over whatever table is called so when they are run."""

    indexes: tuple[tuple[str, str], ...]
    """Name and CREATE INDEX of each but the primary key's."""
    primary_key: str
    """The name of its constraint."""
    others: tuple[str, ...]
    """Owner, rights, and views, which stay the same objects and read the new table afterwards."""


def dependents_of(using: str) -> Dependents:
    """What is to be made for the table that takes the usage table's place."""
    indexes = rows_of(
        using,
        "SELECT c.relname, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') FROM pg_index "
        "JOIN pg_class AS c ON c.oid = indexrelid WHERE indrelid = %s::regclass AND NOT indisprimary ORDER BY 1",
        [TABLE],
    )
    key = rows_of(using, "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'", [TABLE])
    others = [text for query in (_OWNER, _RIGHTS, _COLUMN_RIGHTS, _VIEWS) for (text,) in rows_of(using, query, [TABLE])]
    return Dependents(tuple((name, text) for name, text in indexes), key[0][0], tuple(others))


_OWNER = f"SELECT format('ALTER TABLE {TABLE} OWNER TO %%I', pg_get_userbyid(relowner)) FROM pg_class WHERE oid = %s::regclass"
_RIGHT = (
    "CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END "
    "|| CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"
)
_RIGHTS = (
    f"SELECT format('GRANT %%s ON {TABLE} TO %%s', privilege_type, {_RIGHT}) "
    "FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = %s::regclass AND grantee <> relowner"
)
_COLUMN_RIGHTS = (
    f"SELECT format('GRANT %%s (%%I) ON {TABLE} TO %%s', privilege_type, attname, {_RIGHT}) "
    "FROM pg_attribute, aclexplode(attacl) WHERE attrelid = %s::regclass AND NOT attisdropped"
)
_VIEWS = (
    "SELECT DISTINCT format('CREATE OR REPLACE VIEW %%s %%s AS %%s', v.oid::regclass, "
    "CASE WHEN v.reloptions IS NULL THEN '' ELSE 'WITH (' || array_to_string(v.reloptions, ', ') || ')' END, "
    "pg_get_viewdef(v.oid)) "
    "FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid JOIN pg_class AS v ON v.oid = r.ev_class "
    "WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = %s::regclass AND v.relkind = 'v'"
)
