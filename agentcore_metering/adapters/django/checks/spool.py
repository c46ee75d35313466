"""What is told of the journal's directory: where it is lost, cannot be written or has no room, and how long reads wait for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Warning

from agentcore_metering.adapters.django.checks.settings import are_usable
from agentcore_metering.adapters.django.conf import is_debug, metering_settings
from agentcore_metering.adapters.django.persistence.modes import spool_directory, writes_inline
from agentcore_metering.delivery.directory import fault_of, used_bytes

__all__ = ["check_spool"]

READ_WAIT_BOUNDS_S = (0.05, 5.0)
VOLATILE_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "devtmpfs"})
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    }
)
MOUNTS = Path("/proc/mounts")


def check_spool(**_kwargs: Any) -> list[CheckMessage]:
    """W001, W003 to W006 and W011 for a journal that may be lost, or cannot be written. Nothing where rows are written inline."""
    if not are_usable() or writes_inline():
        return []
    return [*_place_warnings(), *_room_warnings(), *_wait_warnings()]


def _place_warnings() -> Iterator[CheckMessage]:
    directory = spool_directory()
    if metering_settings.SPOOL_DIR is None and not is_debug():
        yield Warning(
            f"AGENTCORE_METERING_SPOOL_DIR is not set: usage records on their way lie in {directory}, which a restart of the machine "
            "or a clean-up of temporary files may empty.",
            hint="Set it to a directory on a disk that outlives the process, such as a volume; the server's user must own it.",
            id="agentcore_metering.W001",
        )
    kind = _file_system(directory)
    if kind in VOLATILE_FILE_SYSTEMS:
        yield Warning(
            f"The spool {directory} is on {kind}: what has not reached the database is lost when the machine or the container stops.",
            hint="Set AGENTCORE_METERING_SPOOL_DIR to a directory on a disk.",
            id="agentcore_metering.W003",
        )
    if kind in NETWORK_FILE_SYSTEMS:
        yield Warning(
            f"The spool {directory} is on {kind}: a network file system may hang, which holds calls, and its locks differ.",
            hint="Set AGENTCORE_METERING_SPOOL_DIR to a directory on a local disk, or a volume on one.",
            id="agentcore_metering.W011",
        )
    fault = fault_of(directory)
    if fault:
        yield Warning(
            f"The spool cannot be used: {fault}. Usage records wait in memory, and a killed process loses them.",
            hint="Give the directory to the server's user (chown, chmod 700), or set AGENTCORE_METERING_SPOOL_DIR to another one.",
            id="agentcore_metering.W004",
        )


def _room_warnings() -> Iterator[CheckMessage]:
    directory, limit = spool_directory(), metering_settings.SPOOL_MAX_BYTES
    existing = next((path for path in (directory, *directory.parents) if path.exists()), None)
    if existing is None or fault_of(directory):
        return
    room = shutil.disk_usage(existing).free + used_bytes(directory)
    if limit > room:
        yield Warning(
            f"AGENTCORE_METERING_SPOOL_MAX_BYTES is {limit}, and the disk of {directory} has room for {room} bytes: it would be full "
            "before the limit is reached.",
            hint="Lower the limit, or make room.",
            id="agentcore_metering.W005",
        )


def _wait_warnings() -> Iterator[CheckMessage]:
    wait_s, (least_s, most_s) = metering_settings.READ_WAIT_S, READ_WAIT_BOUNDS_S
    if wait_s != 0 and not least_s <= wait_s <= most_s:
        consequence = (
            "a query on usage seldom sees its own process's latest rows"
            if wait_s < least_s
            else "a slow database holds every query on usage for that long"
        )
        yield Warning(
            f"AGENTCORE_METERING_READ_WAIT_S is {wait_s:g}: {consequence}.",
            hint=f"Use 0 (never wait), or {least_s:g} to {most_s:g}.",
            id="agentcore_metering.W006",
        )


def _file_system(directory: Path) -> str | None:
    """The kind of file system that the directory is on, or would be; None where the system does not tell."""
    try:
        mounts = [line.split() for line in MOUNTS.read_text().splitlines()]
    except OSError:
        return None
    resolved = directory.resolve()
    kinds = {Path(fields[1].replace("\\040", " ")): fields[2] for fields in mounts if len(fields) > 2}
    return next((kinds[path] for path in (resolved, *resolved.parents) if path in kinds), None)
