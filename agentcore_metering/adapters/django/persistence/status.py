"""How the side-channel stands on this machine, as one value for commands, the health endpoint and people.

Owns which figures are a problem. Whether rows of this very process are on their way is left to its `WriterStats`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone
from django.utils.connection import ConnectionDoesNotExist

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.modes import spool_directory, writes_inline
from agentcore_metering.delivery.directory import fault_of
from agentcore_metering.delivery.journal import SEGMENT_BYTES
from agentcore_metering.delivery.survey import OwnerBacklog, SpoolSurvey, survey

__all__ = ["DATABASE_UNREACHABLE", "MAX_AGE_S", "Finding", "Limits", "SideChannelStatus", "read_status"]

MAX_AGE_S = 60.0
"""A record that waits for longer is a problem: normally none waits for a second."""

DATABASE_UNREACHABLE = "database_unreachable"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a backlog may be."""

    max_age_s: float = MAX_AGE_S
    max_backlog: int | None = None
    """Records; None: any number."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody should know of."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class SideChannelStatus:
    """The side-channel of all processes of this machine that share a spool, and the database as this process sees it."""

    mode: str
    """How this process would write: `journal` or `inline`."""
    spool: SpoolSurvey
    max_bytes: int
    database_alias: str
    problems: tuple[Finding, ...]
    """Rows do not come in, or will not for long."""
    notices: tuple[Finding, ...]
    """Somebody should have a look, but rows come in."""
    read_at: datetime

    @property
    def is_ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def is_database_reachable(self) -> bool:
        """Whether the usage table could be read."""
        return all(problem.code != DATABASE_UNREACHABLE for problem in self.problems)

    def age_s(self, ended_at: datetime | None) -> float | None:
        """How long ago a record ended, or None where there is none."""
        return None if ended_at is None else round(max(0.0, (self.read_at - ended_at).total_seconds()), 3)

    def as_document(self) -> dict[str, Any]:
        """All of it as JSON values."""
        spool = self.spool
        return {
            "status": "ok" if self.is_ok else "degraded",
            "problems": _documents(self.problems),
            "notices": _documents(self.notices),
            "mode": self.mode,
            "database": {"alias": self.database_alias, "is_reachable": self.is_database_reachable},
            "spool": {
                "directory": str(spool.directory),
                "max_bytes": self.max_bytes,
                "used_bytes": spool.used_bytes,
                "free_bytes": spool.free_bytes,
                "quarantined_records": spool.quarantined_records,
                "corrupt_segments": spool.corrupt_segments,
                "newer_segments": spool.newer_segments,
            },
            "backlog": self._backlog(spool),
            "owners": [
                {"owner": item.owner, "is_alive": item.is_alive, "segments": item.segments, **self._backlog(item)}
                for item in spool.owners
            ],
        }

    def _backlog(self, of: SpoolSurvey | OwnerBacklog) -> dict[str, Any]:
        return {
            "records": of.records,
            "bytes": of.undelivered_bytes,
            "oldest_age_s": self.age_s(of.oldest_ended_at),
        }


def read_status(limits: Limits | None = None) -> SideChannelStatus:
    """How it stands now. Side effects: one query, and every undelivered byte of the spool is read."""
    directory = spool_directory()
    mode = "inline" if writes_inline() else "journal"
    problems = list(_database_problems(metering_settings.DATABASE_ALIAS))
    try:
        spool = survey(directory)
    except OSError as exc:
        spool = SpoolSurvey(directory, (), 0, None, 0, 0, 0)
        problems.append(Finding("spool_unreadable", str(exc)))
    read_at = timezone.now()
    max_bytes = metering_settings.SPOOL_MAX_BYTES
    if mode == "journal":
        problems += _room_problems(spool, max_bytes)
    problems += _backlog_problems(spool, limits or Limits(), read_at)
    return SideChannelStatus(
        mode=mode,
        spool=spool,
        max_bytes=max_bytes,
        database_alias=metering_settings.DATABASE_ALIAS,
        problems=tuple(problems),
        notices=tuple(_notices(spool)),
        read_at=read_at,
    )


def _database_problems(alias: str) -> Iterator[Finding]:
    try:
        with connections[alias].cursor() as cursor:
            # The table and not only the server: rows wait for a migration, too. Its name is the model's.
            table = connections[alias].ops.quote_name(LLMUsage._meta.db_table)
            cursor.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608
    except (DatabaseError, InterfaceError, ImproperlyConfigured, ConnectionDoesNotExist, OSError) as exc:
        yield Finding(DATABASE_UNREACHABLE, f"database {alias!r}: {type(exc).__name__}: {exc}".strip())


def _room_problems(spool: SpoolSurvey, max_bytes: int) -> Iterator[Finding]:
    fault = fault_of(spool.directory)
    if fault:
        yield Finding("spool_unusable", fault)
    if spool.used_bytes + SEGMENT_BYTES > max_bytes:
        yield Finding("spool_full", f"{spool.used_bytes} of {max_bytes} bytes are used: new records wait in memory")
    if spool.free_bytes is not None and spool.free_bytes < SEGMENT_BYTES:
        yield Finding("disk_full", f"{spool.free_bytes} bytes are free on the disk of {spool.directory}")


def _backlog_problems(spool: SpoolSurvey, limits: Limits, read_at: datetime) -> Iterator[Finding]:
    oldest = spool.oldest_ended_at
    age_s = (read_at - oldest).total_seconds() if oldest else 0.0
    if age_s > limits.max_age_s:
        yield Finding("backlog_too_old", f"a record has waited for {age_s:.0f} s; the limit is {limits.max_age_s:g} s")
    if limits.max_backlog is not None and spool.records > limits.max_backlog:
        yield Finding("backlog_too_large", f"{spool.records} records wait; the limit is {limits.max_backlog}")


def _notices(spool: SpoolSurvey) -> Iterator[Finding]:
    if spool.quarantined_records:
        yield Finding(
            "quarantined", f"the database refused {spool.quarantined_records} records: metering_quarantine list"
        )
    if spool.corrupt_segments:
        yield Finding("corrupt_segments", f"{spool.corrupt_segments} segments had lines that could not be read")
    if spool.newer_segments:
        yield Finding("newer_segments", f"{spool.newer_segments} segments wait for the later release that wrote them")


def _documents(findings: tuple[Finding, ...]) -> list[dict[str, str]]:
    return [{"code": finding.code, "detail": finding.detail} for finding in findings]
