"""Owns dividing the usage table and putting it together again, beside processes that write.

Dividing copies nothing: the table becomes the first partition as it is. That it may, a constraint proves, which is checked while
everybody goes on; what is then left to do under a lock is a change of names.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from agentcore_metering.adapters.django.partitions.ddl import (
    ATTEMPTS,
    Dependents,
    alone,
    dependents_of,
    in_short_lock,
    move,
    quoted,
    run,
)
from agentcore_metering.adapters.django.partitions.layout import OTHER_TABLE, is_partitioned
from agentcore_metering.adapters.django.partitions.months import (
    TABLE,
    first_id,
    first_table,
    following_month,
    month_table,
    months_from,
    start_of_months,
)
from agentcore_metering.adapters.django.rollups import triggers
from agentcore_metering.adapters.django.rollups.statements import execute, rows_of

__all__ = ["MAX_MOVED", "Change", "RandomIds", "count_random_ids", "divide", "drop_proof", "has_proof", "unite"]

MAX_MOVED = 50_000
"""Rows that are moved while the table is locked, unless more is asked for."""
UNITE_TIMEOUT_S = 60.0

_PROOF = f"{TABLE}_partition_bound"
_WHOLE = f"{TABLE}_whole"
_OLD = f"{TABLE}_divided"


class RandomIds(Exception):
    """More rows than `MAX_MOVED` have ids that tell no time; code of an older release gave them."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(
            f"{count} rows have random ids, of an older release, and would have to be moved while the table is locked, "
            f"more than {MAX_MOVED}; wait until retention has deleted them, or give --move-random-ids"
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What was done."""

    locked_s: float = 0.0
    """How long others could not use the table; for `unite` how long they could not write."""
    moved_rows: int = 0
    """Rows with random ids that now lie in the table for others; for `unite` all rows."""


def count_random_ids(using: str, now: datetime) -> int:
    """Rows whose ids lie in months to come: they are no times."""
    return int(rows_of(using, f"SELECT COUNT(*) FROM {TABLE} WHERE id >= %s", [first_id(start_of_months(now))])[0][0])


def divide(using: str, *, now: datetime, months: int, moves_any: bool = False) -> Change:
    """Make the usage table one of partitions: what is there, `months` months to come, and one for all others.

    Stopped in the middle, it is done by running it again. Raises Busy, or RandomIds, having changed nothing.
    """
    bound = start_of_months(now)
    with alone(using):
        if is_partitioned(using):
            return Change()
        count = count_random_ids(using, now)
        if count > MAX_MOVED and not moves_any:
            raise RandomIds(count)
        drop_proof(using)
        try:
            if not count:
                _prove(using, first_id(bound))
            change = in_short_lock(using, lambda: _divide(using, bound, months))
        finally:
            # In whichever way this ends: left behind, it would refuse every row of the coming month.
            drop_proof(using)
        run(using, f"ANALYZE {TABLE}")
        return change


def has_proof(using: str) -> bool:
    """Whether the constraint is there that a division begins with; one that is over leaves none."""
    return bool(_proved_tables(using))


def drop_proof(using: str, *, attempts: int = ATTEMPTS) -> None:
    """Take it away, where there is one. Raises Busy."""
    for table in _proved_tables(using):
        statement = f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {_PROOF}"
        in_short_lock(using, lambda statement=statement: run(using, statement), attempts=attempts)  # type: ignore[misc]


def _proved_tables(using: str) -> list[str]:
    found = rows_of(using, "SELECT conrelid::regclass::text FROM pg_constraint WHERE conname = %s", [_PROOF])
    return [table for (table,) in found]


def _prove(using: str, bound: UUID) -> None:
    """Have the database know that all ids lie below `bound`; without it, it would look at every row under the lock.

    A row with a random id that comes just now is a reason to look under the lock after all.
    """
    condition = f"CHECK (id < '{bound}') NOT VALID"
    in_short_lock(using, lambda: run(using, f"ALTER TABLE {TABLE} ADD CONSTRAINT {_PROOF} {condition}"))
    try:
        with transaction.atomic(using=using):
            run(using, f"ALTER TABLE {TABLE} VALIDATE CONSTRAINT {_PROOF}")
    except IntegrityError:
        drop_proof(using)


def _divide(using: str, bound: datetime, months: int) -> Change:
    run(using, f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
    began_s = time.perf_counter()
    has_triggers = triggers.are_installed(using)
    dependents = dependents_of(using)
    first = first_table(bound)
    run(using, f"ALTER TABLE {TABLE} RENAME TO {first}")
    _rename_indexes(using, first, dependents)
    _make_parent(using, first, dependents)
    names = _make_months(using, bound, months)
    moved = move(using, first, TABLE, "id >= %s", [first_id(bound)])
    run(using, f"ALTER TABLE {TABLE} ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO ('{first_id(bound)}')")
    run(using, f"ALTER TABLE {first} DROP CONSTRAINT IF EXISTS {_PROOF}")
    if has_triggers:
        # Nobody has written in between, so what is covered stays covered.
        for name in (TABLE, *names):
            triggers.install_on(using, name)
    for statement in dependents.others:
        run(using, statement)
    return Change(time.perf_counter() - began_s, moved)


def _rename_indexes(using: str, table: str, dependents: Dependents) -> None:
    """Make room for the new table's, whose names are Django's."""
    suffix = table.removeprefix(TABLE)
    names = (dependents.primary_key, *(name for name, _ in dependents.indexes))
    for name in names:
        run(using, f"ALTER INDEX {quoted(using, name)} RENAME TO {quoted(using, _suffixed(name, suffix))}")


def _suffixed(name: str, suffix: str) -> str:
    return f"{name[: 63 - len(suffix)]}{suffix}"


def _make_parent(using: str, like: str, dependents: Dependents) -> None:
    run(
        using,
        f"CREATE TABLE {TABLE} (LIKE {like} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE "
        "INCLUDING COMMENTS) PARTITION BY RANGE (id)",
    )
    run(using, f"ALTER TABLE {TABLE} DROP CONSTRAINT IF EXISTS {_PROOF}")
    _make_indexes(using, dependents)


def _make_indexes(using: str, dependents: Dependents) -> None:
    run(using, f"ALTER TABLE {TABLE} ADD CONSTRAINT {quoted(using, dependents.primary_key)} PRIMARY KEY (id)")
    for _name, statement in dependents.indexes:
        run(using, statement)


def _make_months(using: str, start: datetime, count: int) -> list[str]:
    run(using, f"CREATE TABLE {OTHER_TABLE} PARTITION OF {TABLE} DEFAULT")
    names = [OTHER_TABLE]
    for month in months_from(start, count):
        bounds = f"FROM ('{first_id(month)}') TO ('{first_id(following_month(month))}')"
        run(using, f"CREATE TABLE {month_table(month)} PARTITION OF {TABLE} FOR VALUES {bounds}")
        names.append(month_table(month))
    return names


def unite(using: str) -> Change:
    """Make the usage table a plain one again: all rows are copied, in one transaction.

    Meanwhile everybody can read, and rows wait in the journal; for the last moment readers wait too. Raises Busy, having changed nothing.
    """
    with alone(using):
        if not is_partitioned(using):
            return Change()
        change = in_short_lock(using, lambda: _unite(using), timeout_s=UNITE_TIMEOUT_S, attempts=1)
        run(using, f"ANALYZE {TABLE}")
        return change


def _unite(using: str) -> Change:
    run(using, f"LOCK TABLE {TABLE} IN SHARE ROW EXCLUSIVE MODE")
    began_s = time.perf_counter()
    has_triggers = triggers.are_installed(using)
    dependents = dependents_of(using)
    run(
        using,
        f"CREATE TABLE {_WHOLE} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE "
        "INCLUDING COMMENTS)",
    )
    copied = execute(using, f"INSERT INTO {_WHOLE} SELECT * FROM {TABLE}")
    _index_whole(using, dependents)
    run(using, f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
    run(using, f"ALTER TABLE {TABLE} RENAME TO {_OLD}")
    run(using, f"ALTER TABLE {_WHOLE} RENAME TO {TABLE}")
    for statement in dependents.others:
        run(using, statement)
    run(using, f"DROP TABLE {_OLD}")
    for name in (dependents.primary_key, *(name for name, _ in dependents.indexes)):
        run(using, f"ALTER INDEX {quoted(using, _suffixed(name, '_whole'))} RENAME TO {quoted(using, name)}")
    if has_triggers:
        triggers.install_on(using, TABLE)
    return Change(time.perf_counter() - began_s, copied)


def _index_whole(using: str, dependents: Dependents) -> None:
    """While everybody can still read the old one, and under other names than its."""
    key = quoted(using, _suffixed(dependents.primary_key, "_whole"))
    run(using, f"ALTER TABLE {_WHOLE} ADD CONSTRAINT {key} PRIMARY KEY (id)")
    for name, statement in dependents.indexes:
        renamed = statement.replace(f"INDEX {name} ", f"INDEX {quoted(using, _suffixed(name, '_whole'))} ", 1)
        run(using, renamed.replace(f".{TABLE} USING", f".{_WHOLE} USING", 1))
