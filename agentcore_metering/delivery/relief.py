"""Owns delivery in the place of processes that live and do not get to it: without threads, as uWSGI may be, or stuck.

What is delivered is noted in their segments; nothing else of theirs is touched. Dead processes' segments are `adoption`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from agentcore_metering.core.ports import Clock
from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.codec import read_whole_lines
from agentcore_metering.delivery.directory import segments_by_owner
from agentcore_metering.delivery.segment import Segment
from agentcore_metering.delivery.throttle import LogThrottle

__all__ = ["IDLE_AFTER_S", "Relief"]

logger = logging.getLogger(__name__)

IDLE_AFTER_S = 2.0
"""A process that has left a record alone for so long does not deliver: one that does takes half a second."""


class Relief:
    """Delivers what lies in living processes' segments of one directory. To deliver a record a second time is harmless."""

    def __init__(self, directory: Path, clock: Clock, throttle: LogThrottle) -> None:
        self._directory = directory
        self._clock = clock
        self._throttle = throttle

    def relieve(self, deliver: Callable[[Sequence[AttemptRecord]], None]) -> int:
        """Deliver what has waited for `IDLE_AFTER_S` seconds and what stands behind it; the number of records. Raises what `deliver` raises."""
        count = 0
        for owner, paths in segments_by_owner(self._directory).items():
            try:
                count += self._relieve_owner(paths, deliver)
            except OSError as exc:
                if self._throttle.is_due(owner):
                    logger.warning("Segments of %s cannot be read and stay where they are: %s", owner, exc)
        return count

    def _relieve_owner(self, paths: Sequence[Path], deliver: Callable[[Sequence[AttemptRecord]], None]) -> int:
        count = 0
        for path in paths:
            segment = Segment.view(path, may_acknowledge=True)
            if segment is None:
                continue
            try:
                if segment.is_orphaned:
                    return count
                entries, length = read_whole_lines(segment.read_undelivered())
                records = [entry for entry in entries if isinstance(entry, AttemptRecord)]
                if records and not count and not self._has_waited(records[0]):
                    return 0
                if records:
                    deliver(records)
                # Also behind starts alone: who adopts the segment reads those again, and its owner can give it up.
                segment.acknowledge(segment.delivered + length)
                count += len(records)
            finally:
                segment.close()
        return count

    def _has_waited(self, record: AttemptRecord) -> bool:
        return (self._clock.now() - record.ended_at).total_seconds() >= IDLE_AFTER_S
