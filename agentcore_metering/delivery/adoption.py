"""Owns what dead processes left behind: their undelivered records, and an `INTERRUPTED` one for each attempt without an end.

Any process may adopt; the segments' locks see to it that one does. Nothing in a file stops it: what cannot be read is counted and kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

from agentcore_metering.core.types import AttemptRecord, AttemptStart, Status
from agentcore_metering.delivery.codec import Entry, Reason, Unreadable, read_lines
from agentcore_metering.delivery.directory import prune_corrupt, segments_by_owner, sweep_unborn
from agentcore_metering.delivery.journal import READ_BYTES, Journal
from agentcore_metering.delivery.segment import HEADER_BYTES, Segment
from agentcore_metering.delivery.throttle import LogThrottle

__all__ = ["Adopter", "Deliver", "interrupted"]

logger = logging.getLogger(__name__)

Deliver = Callable[[Sequence[AttemptRecord]], None]
"""Returns when the records are in the database, or raises StoreUnavailable."""

_Pending = dict[UUID, tuple[AttemptStart, Segment]]
"""Starts that had no end so far, with the segment that must stay until they have."""


class Adopter:
    """Replays what other processes of this directory cannot deliver any more."""

    def __init__(self, journal: Journal, throttle: LogThrottle) -> None:
        self._journal = journal
        self._throttle = throttle
        self.reset()

    def reset(self) -> None:
        """Count from zero."""
        self.adopted = 0
        """Segments of dead processes that were delivered."""
        self.interrupted = 0
        """Attempts whose process died before it could say how they ended."""
        self.unreadable_lines = 0
        """Of the adopted segments."""

    def adopt(self, deliver: Deliver) -> int:
        """Deliver all orphaned segments; the number of them. Raises what `deliver` raises, and then goes on with them next time."""
        before = self.adopted
        directory = self._journal.directory
        try:
            owners = segments_by_owner(directory)
            sweep_unborn(directory)
            prune_corrupt(directory)
        except OSError as exc:
            self._warn("list", f"{directory} cannot be listed: {exc}")
            return 0
        for owner, paths in owners.items():
            if owner == self._journal.owner:
                continue
            try:
                self._adopt_owner(paths, deliver)
            except OSError as exc:
                self._warn(owner, f"segments of {owner} cannot be read and stay where they are: {exc}")
        return self.adopted - before

    def _adopt_owner(self, paths: list[Path], deliver: Deliver) -> None:
        pending: _Pending = {}
        held: list[Segment] = []
        try:
            for path in paths:
                segment = Segment.adopt(path)
                if segment is None:
                    return  # the owner lives, or another adopter is at work
                held.append(segment)
                self._replay(segment, pending, deliver)
                self._retire(held, keep=[kept for _start, kept in pending.values()])
            deliver([interrupted(start) for start, _segment in pending.values()])
            self.interrupted += len(pending)
            self._retire(held, keep=[])
        finally:
            for segment in held:
                segment.close()

    def _replay(self, segment: Segment, pending: _Pending, deliver: Deliver) -> None:
        delivered = segment.delivered
        # Starts before that offset count: their ends may come after it.
        for _end, entries in _entries(segment, HEADER_BYTES, delivered):
            self._follow(entries, segment, pending)
        for end, entries in _entries(segment, delivered, segment.end):
            deliver(self._follow(entries, segment, pending))
            segment.acknowledge(end)

    def _follow(self, entries: Sequence[Entry], segment: Segment, pending: _Pending) -> list[AttemptRecord]:
        """The ends among `entries`; starts are put to `pending` and taken from it by their ends."""
        ends: list[AttemptRecord] = []
        for entry in entries:
            if isinstance(entry, AttemptStart):
                pending[entry.id] = entry, segment
            elif isinstance(entry, AttemptRecord):
                pending.pop(entry.id, None)
                ends.append(entry)
            else:
                self._note_unreadable(entry, segment)
        return ends

    def _note_unreadable(self, line: Unreadable, segment: Segment) -> None:
        segment.unreadable_lines += 1
        if line.reason is Reason.NEWER:
            segment.newer_version = line.version
        if self._throttle.is_due("unreadable"):
            logger.error(
                "A line of %s is %s; the others are delivered and a copy of the file is kept", segment.path, line.reason
            )

    def _retire(self, held: list[Segment], keep: Sequence[Segment]) -> None:
        for segment in [item for item in held if item not in keep]:
            segment.retire()
            held.remove(segment)
            self.adopted += 1
            self.unreadable_lines += segment.unreadable_lines

    def _warn(self, topic: str, fault: str) -> None:
        if self._throttle.is_due(f"adopt {topic}"):
            logger.warning("What dead processes left in the journal cannot be delivered: %s", fault)


def interrupted(start: AttemptStart) -> AttemptRecord:
    """The record of an attempt of which only the start is known: no usage, no cost, and as long as nothing."""
    return AttemptRecord(
        id=start.id,
        call_id=start.call_id,
        attempt=start.attempt,
        target=start.target,
        context=start.context,
        status=Status.INTERRUPTED,
        started_at=start.started_at,
        duration_s=0.0,
        trace=start.trace,
    )


def _entries(segment: Segment, begin: int, end: int) -> Iterator[tuple[int, list[Entry]]]:
    """What stands between two offsets, piece by piece, each with the offset behind it."""
    while begin < end:
        content = segment.read(begin, end, READ_BYTES)
        if not content:
            return  # the file is shorter than it was
        begin += len(content)
        yield begin, list(read_lines(content))
