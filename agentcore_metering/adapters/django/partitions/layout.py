"""How the usage table lies in the database, and what stands in the way of dividing it. Reads the catalogue, changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import connections

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.partitions.months import TABLE, moment_of
from agentcore_metering.adapters.django.rollups.statements import rows_of

__all__ = ["OTHER_TABLE", "Partition", "blockers", "is_partitioned", "partitions"]

OTHER_TABLE = f"{TABLE}_other"
"""For ids that no month has: random ones, and months that nobody provided for. So no row is refused."""

_BOUND = re.compile(r"FROM \((MINVALUE|'(?P<start>[^']+)')\) TO \('(?P<end>[^']+)'\)")


@dataclass(frozen=True, slots=True)
class Partition:
    """One table of several."""

    name: str
    start: UUID | None
    """The lowest id; None for the first table, and for the one that takes what no other does."""
    end: UUID | None
    """The first id after it; None for the one that takes what no other does."""
    estimated_rows: int
    size_bytes: int
    """With indexes."""

    @property
    def month(self) -> datetime | None:
        """The month whose ids it has; None where that is not one month."""
        return None if self.start is None else moment_of(self.start)


def is_partitioned(using: str) -> bool:
    """Whether the usage table is divided; one look at the catalogue."""
    if connections[using].vendor != "postgresql":
        return False
    found = rows_of(using, "SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", [TABLE])
    return bool(found) and found[0][0] in ("p", b"p")


def partitions(using: str) -> list[Partition]:
    """The tables, oldest first; none where the usage table is not divided."""
    if connections[using].vendor != "postgresql":
        return []
    found = rows_of(
        using,
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), GREATEST(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid) "
        "FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid "
        "WHERE inhparent = to_regclass(%s) AND c.relpartbound IS NOT NULL",
        [TABLE],
    )
    made = [_partition(*row) for row in found]
    last = datetime(9999, 1, 1, tzinfo=UTC)
    return sorted(made, key=lambda one: moment_of(one.end) if one.end else last)


def _partition(name: str, bound: str, estimated_rows: int, size_bytes: int) -> Partition:
    found = _BOUND.search(bound)
    start = found and found["start"]
    return Partition(
        name, UUID(start) if start else None, UUID(found["end"]) if found else None, estimated_rows, size_bytes
    )


_QUERIES = (
    (
        "the foreign key {0} of table {1} refers to it; dropping a month could not keep it",
        "SELECT conname, conrelid::regclass::text FROM pg_constraint WHERE confrelid = '{table}'::regclass AND contype = 'f'",
    ),
    (
        "its constraint {0} is not one of this package, and may not hold across partitions",
        "SELECT conname FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype IN ('f', 'u', 'x')",
    ),
    (
        "its index {0} is unique and not one of this package",
        (
            "SELECT indexrelid::regclass::text FROM pg_index "
            "WHERE indrelid = '{table}'::regclass AND indisunique AND NOT indisprimary"
        ),
    ),
    (
        "its trigger {0} is not one of this package",
        (
            "SELECT tgname FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal "
            "AND tgname NOT LIKE 'agentcore\\_metering\\_rollup\\_%%'"
        ),
    ),
    (
        "the materialized view {0} reads it; drop that, and make it again afterwards",
        (
            "SELECT DISTINCT v.oid::regclass::text FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid "
            "JOIN pg_class AS v ON v.oid = r.ev_class WHERE d.classid = 'pg_rewrite'::regclass "
            "AND d.refobjid = '{table}'::regclass AND v.relkind = 'm'"
        ),
    ),
    (
        "it has row security, which new tables would not",
        "SELECT 1 FROM pg_class WHERE oid = '{table}'::regclass AND relrowsecurity",
    ),
    (
        "the publication {0} has it by name; take it out, and put it in again afterwards",
        (
            "SELECT pubname FROM pg_publication JOIN pg_publication_rel ON prpubid = pg_publication.oid "
            "WHERE prrelid = '{table}'::regclass"
        ),
    ),
    (
        "it lies in the schema {0}, and new tables would be made in {1}",
        (
            "SELECT n.nspname, COALESCE(current_schema(), '-') FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
            "WHERE c.oid = '{table}'::regclass AND n.nspname IS DISTINCT FROM current_schema()"
        ),
    ),
)


def blockers(using: str) -> list[str]:
    """Why the usage table cannot be divided, each as a sentence; none where it can."""
    found = [
        f"the model {relation.related_model._meta.label} points at it; only Django knows what becomes of those rows"
        for relation in LLMUsage._meta.related_objects
    ]
    for text, query in _QUERIES:
        found += [text.format(*row) for row in rows_of(using, query.format(table=TABLE))]
    return found
