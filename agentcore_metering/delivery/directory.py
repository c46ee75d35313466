"""Owns the directory that the processes of one machine share: that it is private, how full it is, whose segments lie in it.

What is in a segment is left to `segment`, what becomes of it to `journal` and `adoption`.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from agentcore_metering.delivery.codec import VERSION
from agentcore_metering.delivery.segment import CORRUPT_SUFFIX, SUFFIX, UNBORN_SUFFIX

__all__ = [
    "fault_of",
    "open_private",
    "prepare",
    "prune_corrupt",
    "segments_by_owner",
    "set_aside",
    "sweep_unborn",
    "used_bytes",
]

UNBORN_MAX_AGE_S = 60.0
CORRUPT_KEPT = 20
"""Segments with unreadable lines that are kept for a person to look at; older ones go."""

_SEGMENT_NAME = re.compile(rf"(?P<owner>.+)-\d+{re.escape(SUFFIX)}(\.v(?P<version>\d+))?")
_COUNTED = re.compile(rf".+{re.escape(SUFFIX)}({re.escape(UNBORN_SUFFIX)}|\.v\d+)?")


def prepare(directory: Path) -> None:
    """Make the directory if it is not there, for its owner alone. OSError where it is not ours or cannot be made."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = directory.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise PermissionError(
            f"{directory} is no directory of user {os.geteuid()} (it belongs to {facts.st_uid}); name one that is, or that does not "
            "exist yet"
        )
    if stat.S_IMODE(facts.st_mode) & 0o077:
        directory.chmod(0o700)


def fault_of(directory: Path) -> str | None:
    """Why this process could not write there, or None where it could. Makes and changes nothing."""
    existing = next((path for path in (directory, *directory.parents) if path.exists()), None)
    if existing is None or not existing.is_dir():
        return f"{existing or directory} is no directory"
    if existing == directory and (directory.is_symlink() or directory.stat().st_uid != os.geteuid()):
        return (
            f"{directory} belongs to user {directory.lstat().st_uid} or is a link; this process is user {os.geteuid()}"
        )
    if not os.access(existing, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        return f"user {os.geteuid()} may not write to {existing}"
    return None


def open_private(path: Path) -> int:
    """A descriptor that appends to a file which only its owner may read. OSError where that is not possible."""
    prepare(path.parent)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def used_bytes(directory: Path) -> int:
    """Bytes that the segments of all processes take; what was set aside as corrupt has a bound of its own."""
    return sum(size for name, size in _sizes(directory) if _COUNTED.fullmatch(name))


def segments_by_owner(directory: Path) -> dict[str, list[Path]]:
    """The segments that this release can read, each owner's from oldest to newest; empty where there is no directory."""
    found: dict[str, list[Path]] = {}
    for name, _size in sorted(_sizes(directory)):
        match = _SEGMENT_NAME.fullmatch(name)
        if match and int(match["version"] or 1) <= VERSION:
            found.setdefault(match["owner"], []).append(directory / name)
    return found


def set_aside(directory: Path) -> tuple[int, int]:
    """How many segments were kept aside as corrupt, and how many for a later release."""
    names = [name for name, _size in _sizes(directory)]
    versions = [int(match["version"] or 1) for name in names if (match := _SEGMENT_NAME.fullmatch(name))]
    return sum(name.endswith(CORRUPT_SUFFIX) for name in names), sum(version > VERSION for version in versions)


def sweep_unborn(directory: Path) -> None:
    """Remove what processes left behind that died while they made a segment; there is no record in it."""
    for path in directory.glob(f"*{SUFFIX}{UNBORN_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > UNBORN_MAX_AGE_S:
                path.unlink()


def prune_corrupt(directory: Path) -> None:
    """Keep the newest `CORRUPT_KEPT` of the segments that were set aside."""
    aged: list[tuple[float, Path]] = []
    for path in directory.glob(f"*{CORRUPT_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):  # another process tidies up, too
            aged.append((path.stat().st_mtime, path))
    for _mtime, path in sorted(aged)[:-CORRUPT_KEPT]:
        path.unlink(missing_ok=True)


def _sizes(directory: Path) -> Iterator[tuple[str, int]]:
    try:
        entries = os.scandir(directory)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # another process has just removed it
                yield entry.name, entry.stat(follow_symlinks=False).st_size
