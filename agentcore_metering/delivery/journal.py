"""Owns this process's segments: every attempt's start and end is on disk when `append_*` returns, and stays until it is delivered.

Safe to call from threads, signal handlers and finalizers; a forked child gets a journal of its own. Other processes' segments are
left to `adoption`, the delivery and what to do when the disk fails to `writer`.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID, uuid4

from agentcore_metering.core.types import AttemptRecord, AttemptStart
from agentcore_metering.delivery.codec import Unreadable, encode, encode_end, read_lines
from agentcore_metering.delivery.directory import prepare, used_bytes
from agentcore_metering.delivery.fork import survive_forks
from agentcore_metering.delivery.segment import HEADER_BYTES, SUFFIX, Segment

__all__ = ["READ_BYTES", "Chunk", "Journal", "JournalBusy", "JournalFull", "SyncMode"]

SEGMENT_BYTES = 1024 * 1024
MAX_BYTES = 1024 * 1024 * 1024
READ_BYTES = 256 * 1024
"""What a delivery reads at once: memory stays the same however long the database is away."""

LOCK_WAIT_S = 1.0
"""How long an append waits for another thread's, which on a hung disk never ends."""

MAX_CARRIED = 100
"""Attempts under way whose start is written anew so that their old segment can go."""


class SyncMode(StrEnum):
    """When lines are carried past the operating system's cache. It matters for power losses alone."""

    ALWAYS = "always"
    INTERVAL = "interval"
    """About twice a second, by whoever calls `sync`."""
    OFF = "off"


class JournalFull(OSError):
    """The segments of all processes have reached the limit."""


class JournalBusy(OSError):
    """Another thread's append has not come back: the disk hangs."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read of a segment; acknowledged once its records are delivered."""

    segment: Segment
    end: int
    records: tuple[AttemptRecord, ...]
    unreadable_lines: int


@dataclass(slots=True)
class _OpenAttempt:
    """An attempt under way, the line of its start, and the segment that holds it."""

    start: AttemptStart
    line: bytes
    segment: Segment


class _Turn:
    """A block that has the journal for itself. A class, because a call enters two of them."""

    __slots__ = ("_directory", "_lock")

    def __init__(self, lock: threading.RLock, directory: Path) -> None:
        self._lock = lock
        self._directory = directory

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=LOCK_WAIT_S):
            raise JournalBusy(f"no append to {self._directory} came back within {LOCK_WAIT_S} s")

    def __exit__(self, *_exception: object) -> None:
        self._lock.release()


class Journal:
    """The journal of this process in a directory that many processes share. Nothing is made before the first append."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        max_bytes: int = MAX_BYTES,
        sync_mode: SyncMode = SyncMode.INTERVAL,
    ) -> None:
        self.directory = directory
        self.sync_mode = sync_mode
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._begin()
        survive_forks(self)

    def append_start(self, start: AttemptStart) -> None:
        """Put down that an attempt is about to be sent. OSError where that failed, ValueError where it has no line."""
        line = encode(start)
        with self._locked():
            self._open[start.id] = _OpenAttempt(start, line, self._append(line))

    def append_end(self, record: AttemptRecord) -> None:
        """Put down how an attempt ended. OSError where that failed, ValueError where it has no line."""
        begun = self._open.get(record.id)
        line = encode(record) if begun is None else encode_end(record, begun.start, begun.line)
        with self._locked():
            self._append(line)
            self.accepted += 1
            self._open.pop(record.id, None)

    def forget(self, attempt_id: UUID) -> None:
        """The attempt got its row another way; its start need not be kept any longer."""
        with self._locked():
            self._open.pop(attempt_id, None)

    def read(self) -> Chunk | None:
        """The oldest records that are not yet acknowledged, or None. The same ones again until they are.

        OSError where a segment cannot be read; the next call goes on behind it, and another process may have more luck.
        """
        with self._locked():
            waiting = next(((item, item.end) for item in self._segments if item.unread_bytes), None)
        if waiting is None:
            return None
        segment, end = waiting
        try:
            content = segment.read(segment.delivered, end, READ_BYTES)
        except OSError:
            self._leave_to_others(segment)
            raise
        entries = list(read_lines(content, skip_starts=True))
        unreadable = sum(isinstance(entry, Unreadable) for entry in entries)
        records = tuple(entry for entry in entries if isinstance(entry, AttemptRecord))
        return Chunk(segment, segment.delivered + len(content), records, unreadable)

    def acknowledge(self, chunk: Chunk) -> None:
        """The records of `chunk` are in the database: a segment of which nothing is left goes."""
        with self._locked():
            if chunk.segment not in self._segments:
                return
            chunk.segment.acknowledge(chunk.end)
            chunk.segment.unreadable_lines += chunk.unreadable_lines
            self.settled += len(chunk.records)
            self._retire_delivered()
            self._settle_if_empty()

    @property
    def unread_bytes(self) -> int:
        """Bytes that are not yet delivered."""
        return sum(segment.unread_bytes for segment in self._segments)

    def oldest_unread(self) -> datetime | None:
        """When the oldest attempt ended that is not yet delivered, or None."""
        chunk = self.read()
        return chunk.records[0].ended_at if chunk and chunk.records else None

    def sync(self) -> None:
        """Carry all lines past the operating system's cache. OSError where the disk refuses."""
        for segment in list(self._segments):
            try:
                segment.sync()
            except OSError:
                if segment in self._segments:  # else it was delivered and closed meanwhile
                    raise

    def check(self) -> None:
        """Stop appending to a file that somebody has removed; what is in it is still delivered."""
        with self._locked():
            if self._current is not None and not self._current.is_linked():
                self._current.is_full = True

    def close(self) -> None:
        """Give up all segments; what is not delivered is left for another process. A later append begins anew."""
        with self._locked():
            if self._current is not None:
                self._current.is_full = True
            self._retire_delivered(may_carry=False)
            segments = self._segments
            self._begin()
        for segment in segments:
            segment.leave()

    def before_fork(self) -> None:
        """Let no segment be half made when the child is."""
        self._lock.acquire(timeout=LOCK_WAIT_S)

    def after_fork_in_parent(self) -> None:
        """Go on."""
        with suppress(RuntimeError):  # not ours: another thread's append did not come back in time
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Begin anew: the records so far are the parent's."""
        segments = self._segments
        self._lock = threading.RLock()
        self._begin()
        for segment in segments:
            segment.close()

    def _begin(self) -> None:
        self.owner = _owner_name()
        self.accepted = 0
        """Ends that were appended."""
        self.settled = 0
        """Ends that were acknowledged."""
        self._pid = os.getpid()
        self._numbers = itertools.count(1)
        self._current: Segment | None = None
        self._segments: list[Segment] = []
        self._open: dict[UUID, _OpenAttempt] = {}

    def _locked(self) -> _Turn:
        if self._pid != os.getpid():  # forked by something that does not call Python's hooks
            self.after_fork_in_child()
        return _Turn(self._lock, self.directory)

    def _append(self, line: bytes) -> Segment:
        segment = self._current
        if segment is None or not segment.has_room(len(line)):
            segment = self._roll(len(line))
        segment.append(line)
        if self.sync_mode is SyncMode.ALWAYS:
            segment.sync()
        return segment

    def _roll(self, line_bytes: int) -> Segment:
        capacity = max(self._segment_bytes, HEADER_BYTES + line_bytes)
        prepare(self.directory)
        self._take_over_acknowledgements()
        used = used_bytes(self.directory)
        if used + capacity > self._max_bytes:
            raise JournalFull(f"{self.directory} holds {used} bytes; the limit is {self._max_bytes}")
        segment = Segment.create(self.directory / f"{self.owner}-{next(self._numbers):06d}{SUFFIX}", capacity)
        # Read after the file was made: a signal handler that appended meanwhile has made one, too.
        previous, self._current = self._current, segment
        if previous is not None:
            previous.is_full = True
        self._segments.append(segment)
        return segment

    def _take_over_acknowledgements(self) -> None:
        """Where no thread runs here, somebody else may have delivered these segments; they need no room any more then."""
        for segment in self._segments:
            segment.take_over_acknowledgement()
            if segment.unread_bytes:
                break
        self._retire_delivered(may_carry=False)
        self._settle_if_empty()

    def _leave_to_others(self, segment: Segment) -> None:
        with self._locked():
            self._segments = [item for item in self._segments if item is not segment]
            if segment is self._current:
                self._current = None
            self._settle_if_empty()
        segment.close()

    def _settle_if_empty(self) -> None:
        """Nothing is left to deliver, so nothing is owed: also not what could not be read back."""
        if not any(segment.unread_bytes for segment in self._segments):
            self.settled = self.accepted

    def _retire_delivered(self, *, may_carry: bool = True) -> None:
        for segment in [item for item in self._segments if item.is_full and not item.unread_bytes]:
            under_way = [attempt for attempt in list(self._open.values()) if attempt.segment is segment]
            if under_way and not (may_carry and self._carry(under_way)):
                continue
            if segment not in self._segments:
                continue  # a signal handler that appended meanwhile has begun a new segment and ended this one
            if segment is self._current:
                self._current = None
            # Before its file is closed: a child that is forked in between would close a descriptor that is somebody else's by then.
            self._segments.remove(segment)
            segment.retire()

    def _carry(self, attempts: list[_OpenAttempt]) -> bool:
        """Whether the starts of these attempts are in a newer segment now."""
        if len(attempts) > MAX_CARRIED:
            return False
        try:
            for attempt in attempts:
                attempt.segment = self._append(attempt.line)
        except OSError:
            return False
        return True


def _owner_name() -> str:
    host = re.sub(r"[^A-Za-z0-9_.]", "_", socket.gethostname())[:64]
    return f"{host}-{os.getpid()}-{uuid4().hex[:12]}"
