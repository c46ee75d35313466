"""Owns one file of the journal: its reserved room, its lock, how far it has been delivered, and how it ends.

A segment belongs to whoever holds its `flock`: the process that appends to it, or, once that one is dead, whoever adopts it. The lock
dies with the process. The file begins with the offset up to which everything is in the database, so a replay is short. Which
segments there are is left to `journal` and `adoption`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["CORRUPT_SUFFIX", "HEADER_BYTES", "SUFFIX", "UNBORN_SUFFIX", "Segment"]

SUFFIX = ".jnl"
UNBORN_SUFFIX = ".tmp"
CORRUPT_SUFFIX = ".corrupt"

_ACKNOWLEDGED = b"ack %010d"
HEADER_BYTES = 24
"""crc32, space, `ack `, ten digits, line feed."""

_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
_CANNOT_RESERVE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class Segment:
    """An open segment: this process's own by `create` or `adopt`, or anybody's by `view`."""

    def __init__(self, fd: int, path: Path, capacity: int, end: int) -> None:
        self.path = path
        self.capacity = capacity
        self.end = end
        """Where the next line goes; for an adopted segment the file's size."""
        self.delivered = HEADER_BYTES
        """Everything before this offset is in the database."""
        self.is_full = False
        """Nothing is appended any more."""
        self.unreadable_lines = 0
        """Those that gave no record: with any, it is kept aside instead of removed."""
        self.newer_version: int | None = None
        """A later release wrote it: kept for that one."""
        self._fd = fd
        self._synced = HEADER_BYTES

    @classmethod
    def create(cls, path: Path, capacity: int) -> Segment:
        """A new, locked segment whose room is reserved, so that a full disk cannot stop an append. OSError where that fails."""
        unborn = path.with_name(path.name + UNBORN_SUFFIX)
        fd = os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _reserve(fd, capacity)
            os.pwrite(fd, _header(HEADER_BYTES), 0)
            unborn.rename(path)  # an adopter sees it only now that it is locked
        except BaseException:
            with contextlib.suppress(OSError):
                unborn.unlink()
            os.close(fd)
            raise
        return cls(fd, path, capacity, HEADER_BYTES)

    @classmethod
    def adopt(cls, path: Path) -> Segment | None:
        """The segment of a dead process, now ours; None while its owner, or another adopter, has it or has just removed it.

        None also for another user's file; OSError for a link.
        """
        try:
            fd = os.open(path, os.O_RDWR | _NO_FOLLOW)
        except FileNotFoundError:
            return None
        with _closed_on_error(fd):
            segment = cls._locked(fd, path)
        if segment is None:
            os.close(fd)
        return segment

    @classmethod
    def view(cls, path: Path, *, may_acknowledge: bool = False) -> Segment | None:
        """A segment to read, whoever holds it; None where it is gone or no regular file. OSError where it cannot be opened.

        With `may_acknowledge` only a segment of this user, whose owner can be told what was delivered in its stead.
        """
        try:
            fd = os.open(path, (os.O_RDWR if may_acknowledge else os.O_RDONLY) | _NO_FOLLOW)
        except FileNotFoundError:
            return None
        with _closed_on_error(fd):
            facts = os.fstat(fd)
            if stat.S_ISREG(facts.st_mode) and not (may_acknowledge and facts.st_uid != os.geteuid()):
                return cls._at_rest(fd, path, facts.st_size)
        os.close(fd)
        return None

    @classmethod
    def _at_rest(cls, fd: int, path: Path, size: int) -> Segment:
        segment = cls(fd, path, size, size)
        segment.is_full = True
        segment.delivered = min(_delivered(os.pread(fd, HEADER_BYTES, 0)), size)
        return segment

    @classmethod
    def _locked(cls, fd: int, path: Path) -> Segment | None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        facts = os.fstat(fd)
        # Whoever removes a segment unlinks it before the lock goes; what we hold then is a file without a name.
        if facts.st_nlink == 0 or not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
            return None
        return cls._at_rest(fd, path, facts.st_size)

    def append(self, line: bytes) -> None:
        """Write `line` behind the last one; on return it survives the death of the process. OSError where it was not written."""
        # Reserved before it is written: a signal handler or a finalizer that appends in between gets the next place.
        offset = self.end
        self.end = offset + len(line)
        try:
            written = os.pwrite(self._fd, line, offset)
        except OSError:
            self.is_full = True
            raise
        if written != len(line):
            self.is_full = True
            raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes were written", str(self.path))

    def has_room(self, line_bytes: int) -> bool:
        """Whether a line of this length still fits."""
        return not self.is_full and self.end + line_bytes <= self.capacity

    def read(self, offset: int, end: int, limit: int) -> bytes:
        """Whole lines between the two offsets, about `limit` bytes of them; at the end also what is left of a torn line."""
        available = end - offset
        content = os.pread(self._fd, min(limit, available), offset)
        if len(content) < available:
            # Behind a line feed, or behind a hole that a power loss has left, the next line begins.
            return content[: max(content.rfind(b"\n"), content.rfind(b"\0")) + 1] or content
        return content

    def read_undelivered(self) -> bytes:
        """Everything behind what is delivered, without the room that is not used yet."""
        return os.pread(self._fd, max(0, self.end - self.delivered), self.delivered).rstrip(b"\0")

    def acknowledge(self, offset: int) -> None:
        """Note that everything before `offset` is in the database: after the commit, never before."""
        self.delivered = max(offset, self.delivered)
        with contextlib.suppress(OSError):  # a replay that starts too early is harmless
            os.pwrite(self._fd, _header(offset), 0)

    def take_over_acknowledgement(self) -> None:
        """Believe the file where another process has delivered more of it in this one's stead."""
        with contextlib.suppress(OSError):
            told = _delivered(os.pread(self._fd, HEADER_BYTES, 0))
            self.delivered = max(self.delivered, min(told, self.end))

    def sync(self) -> None:
        """Carry what was appended since the last time past the operating system's cache, so that it survives a power loss."""
        end = self.end
        if self._synced < end and self._fd >= 0:
            os.fdatasync(self._fd)
            self._synced = end

    @property
    def unread_bytes(self) -> int:
        """Bytes that are not yet delivered."""
        return self.end - self.delivered

    @property
    def is_orphaned(self) -> bool:
        """Whether nobody holds it, for one that was made by `view`."""
        try:
            # Shared, so that two who look do not take each other for its owner.
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return True

    def is_linked(self) -> bool:
        """Whether its file still has a name: somebody may have cleared the directory."""
        return os.fstat(self._fd).st_nlink > 0

    def retire(self) -> None:
        """End a segment that is wholly delivered: remove its file, or set aside what could not be read. Its lock is given up."""
        if self.newer_version is not None:
            self._rename(f".v{self.newer_version}")
        elif self.unreadable_lines:
            self._rename(CORRUPT_SUFFIX)
        else:
            self.path.unlink(missing_ok=True)
        self.close()

    def leave(self) -> None:
        """Give up a segment that is not wholly delivered, without the room that it did not need: another process adopts it."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self.end)
        self.close()

    def close(self) -> None:
        """Give up file and lock; what is in the file stays. In a forked child this leaves the parent's lock alone."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _rename(self, suffix: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(self.path.with_name(self.path.name + suffix))


@contextlib.contextmanager
def _closed_on_error(fd: int) -> Iterator[None]:
    """A descriptor that nobody would close any more: a bad disk is asked again every second."""
    try:
        yield
    except BaseException:
        os.close(fd)
        raise


def _reserve(fd: int, capacity: int) -> None:
    try:
        os.posix_fallocate(fd, 0, capacity)
    except AttributeError:  # macOS has none
        os.ftruncate(fd, capacity)
    except OSError as exc:
        if exc.errno not in _CANNOT_RESERVE:
            raise
        os.ftruncate(fd, capacity)


def _header(offset: int) -> bytes:
    text = _ACKNOWLEDGED % offset
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _delivered(header: bytes) -> int:
    """The offset that a header tells, or the first line's where it is damaged: to deliver twice is harmless."""
    digits = header[13:-1]
    if not digits.isdigit() or header != _header(int(digits)):
        return HEADER_BYTES
    return max(int(digits), HEADER_BYTES)
