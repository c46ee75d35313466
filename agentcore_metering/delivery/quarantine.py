"""Owns the file of records that the database refused for good: put there by any process, taken out again by one that tries anew.

What is put there is `settlement`'s to decide, what becomes of it later `replay`'s. A line is lost at no moment: whoever appends, and who
takes the file away, holds its lock and sees to it that the file still has its name.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from agentcore_metering.core.ports import Clock
from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.codec import from_text, to_text
from agentcore_metering.delivery.directory import open_private
from agentcore_metering.delivery.throttle import LogThrottle

__all__ = [
    "Quarantine",
    "QuarantineBusy",
    "QuarantinedRecord",
    "quarantine_line",
    "quarantined_lines",
    "read_quarantine",
    "taken_from_quarantine",
    "tell_whole",
    "told",
]

logger = logging.getLogger(__name__)

QUARANTINE_NAME = "quarantine.ndjson"
QUARANTINE_MAX_BYTES = 64 * 1024 * 1024
ERROR_CHARACTERS = 500

_ASIDE = f"{QUARANTINE_NAME}.replay-"
_LOCK_NAME = "quarantine.lock"


class QuarantineBusy(OSError):
    """Another process replays the quarantine."""


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """One line of the file."""

    line: bytes
    """As it stands there, without its line feed."""
    error: str
    at: datetime | None = None
    """When it was refused; None only beside no record."""
    record: AttemptRecord | None = None
    """None where the line gives none: it is damaged, or of a later release."""


class Quarantine:
    """The file that refused records are put into, one JSON object a line."""

    def __init__(self, directory: Path, clock: Clock, throttle: LogThrottle) -> None:
        self.path = directory / QUARANTINE_NAME
        self._clock = clock
        self._throttle = throttle
        self._count = 0

    def put(self, record: AttemptRecord, reason: Exception) -> None:
        """Keep a record with the reason. Where it cannot be put into the file, it goes to the log, whole."""
        error = told(reason)
        try:
            self.append([quarantine_line(record, error, self._clock.now())])
        except Exception as exc:  # noqa: BLE001 - a record that has no line must not hold up those behind it
            tell_whole(record, f"{error}; and it cannot be put into {self.path}: {told(exc)}")
            return
        self._count += 1
        if self._throttle.is_due("quarantine"):
            logger.error(
                "%d usage records were refused by the database and wait in %s; the last one, %s: %s",
                self._count,
                self.path,
                record.id,
                error,
            )

    def append(self, lines: list[bytes]) -> None:
        """Put down lines as `quarantine_line` makes them, all or none. OSError where that is not possible or the file is too large."""
        content = b"".join(line + b"\n" for line in lines)
        with _held(self.path) as fd:
            size = os.fstat(fd).st_size
            if size > QUARANTINE_MAX_BYTES:
                raise OSError(f"it is larger than {QUARANTINE_MAX_BYTES} bytes")
            if os.write(fd, content) != len(content):
                os.ftruncate(fd, size)
                raise OSError(errno.ENOSPC, "the disk is full", str(self.path))


def quarantine_line(record: AttemptRecord, error: str, at: datetime) -> bytes:
    """The line of a record that was refused at the time `at`."""
    entry: dict[str, Any] = {"at": at.isoformat(), "error": error, "record": json.loads(to_text(record))}
    return json.dumps(entry).encode("ascii")


def read_quarantine(directory: Path) -> Iterator[QuarantinedRecord]:
    """What is in quarantine, oldest first, one line at a time; nothing where there is none."""
    for line in _lines([*_asides(directory), directory / QUARANTINE_NAME]):
        yield _parsed(line)


def quarantined_lines(directory: Path) -> int:
    """How many lines are in quarantine."""
    return sum(1 for _line in _lines([*_asides(directory), directory / QUARANTINE_NAME]))


@contextmanager
def taken_from_quarantine(directory: Path) -> Iterator[Iterator[QuarantinedRecord]]:
    """What is in quarantine, out of the way of those who go on putting records there.

    It is gone when the block ends, and all still there when the block is left by an exception. Raises QuarantineBusy where another
    process is at it.
    """
    if not _asides(directory) and not (directory / QUARANTINE_NAME).exists():
        yield iter(())  # and the directory need not be there
        return
    with _alone(directory):
        _move_aside(directory)
        asides = _asides(directory)
        yield map(_parsed, _lines(asides))
        for path in asides:
            path.unlink()


def tell_whole(record: AttemptRecord, reason: str) -> None:
    """The last stop of a record: the log, at CRITICAL, as JSON; by its id alone where it has no text."""
    try:
        text = to_text(record)
    except Exception as exc:  # noqa: BLE001 - this is the last stop, and what is behind the record must go on
        text = f"attempt {record.id} of call {record.call_id}, which has no text: {type(exc).__name__}"
    logger.critical("A usage record could not be stored (%s): %s", reason, text)


def told(reason: Exception) -> str:
    """A refusal in the words of the file."""
    return f"{type(reason).__name__}: {reason}"[:ERROR_CHARACTERS]


def _parsed(line: bytes) -> QuarantinedRecord:
    try:
        entry = json.loads(line)
        found = from_text(json.dumps(entry["record"]))
        at = datetime.fromisoformat(entry["at"])
        if isinstance(found, AttemptRecord):
            return QuarantinedRecord(line, str(entry["error"]), at, found)
    except (ValueError, TypeError, LookupError, RecursionError):
        pass
    return QuarantinedRecord(line, "the line cannot be read")


def _lines(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            for line in file:
                if line.strip():
                    yield line.rstrip(b"\n")


def _asides(directory: Path) -> list[Path]:
    """What earlier replays did not bring to an end, oldest first."""
    return sorted(directory.glob(f"{_ASIDE}*"))


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """A descriptor that appends to the file at `path`, that keeps its name and that nobody else writes to, until the block ends."""
    while True:
        fd = open_private(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_at(fd, path):
                yield fd
                return
        finally:
            os.close(fd)


def _is_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    fd = open_private(directory / _LOCK_NAME)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise QuarantineBusy(f"another process replays the quarantine in {directory}") from None
        yield
    finally:
        os.close(fd)


def _move_aside(directory: Path) -> None:
    path = directory / QUARANTINE_NAME
    with suppress(FileNotFoundError):
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # whoever is just appending comes to his end first
            path.rename(directory / f"{_ASIDE}{time.time_ns():020d}")
        finally:
            os.close(fd)
