"""Looks at a spool from outside, without touching it: whose segments lie there, and what in them is not in the database yet.

What is to be thought of it is left to whoever asked. What processes hold in memory alone cannot be seen from here.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.codec import count_ends, read_lines
from agentcore_metering.delivery.directory import segments_by_owner, set_aside, used_bytes
from agentcore_metering.delivery.quarantine import quarantined_lines
from agentcore_metering.delivery.segment import Segment

__all__ = ["OwnerBacklog", "SpoolSurvey", "survey"]


@dataclass(frozen=True, slots=True)
class OwnerBacklog:
    """What one process has in the spool."""

    owner: str
    """Host, pid and a random part."""
    is_alive: bool
    segments: int
    records: int
    """Undelivered ones. A dead owner's attempts without an end are none yet."""
    undelivered_bytes: int
    oldest_ended_at: datetime | None
    """Of the oldest undelivered record; None where there is none."""


@dataclass(frozen=True, slots=True)
class SpoolSurvey:
    """How a spool stood at one moment. Counts are of all processes of this machine."""

    directory: Path
    owners: tuple[OwnerBacklog, ...]
    used_bytes: int
    free_bytes: int | None
    """On the disk of the directory, or of where it would be made; None where that cannot be told."""
    quarantined_records: int
    corrupt_segments: int
    newer_segments: int
    """Written by a later release, for which they are kept."""

    @property
    def records(self) -> int:
        """Undelivered records."""
        return sum(owner.records for owner in self.owners)

    @property
    def undelivered_bytes(self) -> int:
        """Bytes of them."""
        return sum(owner.undelivered_bytes for owner in self.owners)

    @property
    def orphaned_segments(self) -> int:
        """Segments whose process is dead."""
        return sum(owner.segments for owner in self.owners if not owner.is_alive)

    @property
    def oldest_ended_at(self) -> datetime | None:
        """When the oldest undelivered record ended, or None."""
        return min((owner.oldest_ended_at for owner in self.owners if owner.oldest_ended_at), default=None)


def survey(directory: Path) -> SpoolSurvey:
    """How the spool stands now. OSError where it cannot be read; an empty survey where there is no directory.

    Reads every undelivered byte. Nothing is locked for longer than it takes to see that nobody else has a lock.
    """
    found = segments_by_owner(directory)
    corrupt, newer = set_aside(directory)
    return SpoolSurvey(
        directory=directory,
        owners=tuple(backlog for owner, paths in found.items() if (backlog := _backlog(owner, paths)) is not None),
        used_bytes=used_bytes(directory),
        free_bytes=_free_bytes(directory),
        quarantined_records=quarantined_lines(directory),
        corrupt_segments=corrupt,
        newer_segments=newer,
    )


def _backlog(owner: str, paths: Sequence[Path]) -> OwnerBacklog | None:
    """None where all of its segments went meanwhile."""
    is_alive = False
    segments = records = undelivered_bytes = 0
    oldest: datetime | None = None
    for path in paths:
        segment = Segment.view(path)
        if segment is None:
            continue
        try:
            is_alive |= not segment.is_orphaned
            content = segment.read_undelivered()
        finally:
            segment.close()
        segments += 1
        undelivered_bytes += len(content)
        count = count_ends(content)
        records += count
        if count and oldest is None:
            oldest = _first_ended_at(content)
    return OwnerBacklog(owner, is_alive, segments, records, undelivered_bytes, oldest) if segments else None


def _first_ended_at(content: bytes) -> datetime | None:
    ends = (entry for entry in read_lines(content, skip_starts=True) if isinstance(entry, AttemptRecord))
    first = next(ends, None)
    return first.ended_at if first else None


def _free_bytes(directory: Path) -> int | None:
    existing = next((path for path in (directory, *directory.parents) if path.exists()), None)
    try:
        return shutil.disk_usage(existing).free if existing else None
    except OSError:
        return None
