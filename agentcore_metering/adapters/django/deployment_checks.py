"""The system checks of a deployment: what would lose, delay or expose something although every call succeeds.

Each has a hint that is its mending. Nothing is made or changed, no database asked and LiteLLM not loaded.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.connection import ConnectionDoesNotExist

from agentcore_metering.adapters.django.conf import is_debug, metering_settings
from agentcore_metering.adapters.django.persistence.hosts import (
    UWSGI_WITHOUT_THREADS,
    is_uwsgi_without_threads,
    monkey_patcher,
)
from agentcore_metering.adapters.django.persistence.modes import spool_directory, writes_inline
from agentcore_metering.delivery.directory import fault_of, used_bytes
from agentcore_metering.telemetry.bootstrap import TEMPORALITY_ENV

__all__ = ["check_exposure", "check_server", "check_settings", "check_spool"]

SETTINGS = (
    "ALLOWED_PRIVATE_HOSTS",
    "API_PERMISSION_CLASSES",
    "DATABASE_ALIAS",
    "DEFER_ENCRYPTION",
    "ENCRYPTION_KEYS",
    "INLINE_WAIT_S",
    "LLM",
    "READ_WAIT_S",
    "REDACT_EXCEPTIONS",
    "SPOOL_DIR",
    "SPOOL_MAX_BYTES",
    "SPOOL_SYNC",
    "TEST_RATE",
    "WRITE_MODE",
)

READ_WAIT_BOUNDS_S = (0.05, 5.0)
VOLATILE_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "devtmpfs"})
MOUNTS = Path("/proc/mounts")
LITELLM_LOG_ENV = "LITELLM_LOG"

_GREENLETS = {
    "gevent": "While LiteLLM's event loop runs in one of them, Django refuses the database to all, so usage rows wait in the journal.",
    "eventlet": "That is not tried with this package.",
}


def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """E002 for a setting that cannot be used, E003 and E004 for a database that the rows cannot be written to."""
    faults = list(_setting_faults())
    if not faults:
        return list(_database_errors())
    hint = "Correct it in the Django settings, or leave it out."
    return [Error(str(fault), hint=hint, id="agentcore_metering.E002") for fault in faults]


def check_spool(**_kwargs: Any) -> list[CheckMessage]:
    """W001 and W003 to W006 for a journal that may be lost, or cannot be written. Nothing where rows are written inline."""
    if any(_setting_faults()) or any(_database_errors()) or writes_inline():
        return []
    return [*_place_warnings(), *_room_warnings(), *_wait_warnings()]


def check_server(**_kwargs: Any) -> list[CheckMessage]:
    """W007 for a uWSGI without threads, W008 for greenlets in the place of threads."""
    found: list[CheckMessage] = []
    if is_uwsgi_without_threads():
        found.append(
            Warning(
                f"{UWSGI_WITHOUT_THREADS}.", hint="Start uWSGI with --enable-threads.", id="agentcore_metering.W007"
            )
        )
    if patcher := monkey_patcher():
        found.append(
            Warning(
                f"{patcher} has put greenlets into the place of threads. {_GREENLETS[patcher]}",
                hint="Use threads (gunicorn's gthread), or run metering_drain every minute: no record is lost, but rows come late.",
                id="agentcore_metering.W008",
            )
        )
    return found


def check_exposure(**_kwargs: Any) -> list[CheckMessage]:
    """W002 and W009 for secrets in production, W010 for metrics whose totals are not exact."""
    found: list[CheckMessage] = []
    if not is_debug() and not any(_setting_faults()):
        found += _secret_warnings()
    temporality = os.environ.get(TEMPORALITY_ENV, "").strip().lower() or "cumulative"
    if temporality != "cumulative":
        found.append(
            Warning(
                f"{TEMPORALITY_ENV} is {temporality!r}: totals over time are then only as complete as every single export, and the "
                "dashboards expect cumulative counters.",
                hint=f"Leave {TEMPORALITY_ENV} out, or set it to cumulative.",
                id="agentcore_metering.W010",
            )
        )
    return found


def _setting_faults() -> Iterator[ImproperlyConfigured]:
    for name in SETTINGS:
        try:
            getattr(metering_settings, name)
        except ImproperlyConfigured as fault:
            yield fault


def _database_errors() -> Iterator[CheckMessage]:
    alias = metering_settings.DATABASE_ALIAS
    try:
        connection = connections[alias]
    except ConnectionDoesNotExist:
        yield Error(
            f"AGENTCORE_METERING_DATABASE_ALIAS is {alias!r}, which DATABASES does not have: no usage row can be written.",
            hint=f"Name one of DATABASES: {', '.join(connections)}.",
            id="agentcore_metering.E004",
        )
        return
    in_memory = connection.vendor == "sqlite" and connection.is_in_memory_db()  # type: ignore[attr-defined]
    if in_memory and metering_settings.WRITE_MODE == "journal":
        yield Error(
            f"AGENTCORE_METERING_WRITE_MODE is 'journal', and the database {alias!r} is SQLite in memory, which the thread that "
            "writes the rows cannot see.",
            hint="Leave AGENTCORE_METERING_WRITE_MODE out ('auto' writes inline there), or put the database into a file.",
            id="agentcore_metering.E003",
        )


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


def _secret_warnings() -> Iterator[CheckMessage]:
    if not metering_settings.ENCRYPTION_KEYS:
        yield Warning(
            "AGENTCORE_METERING_ENCRYPTION_KEYS is not set: stored API keys are encrypted with a key derived from SECRET_KEY, and a "
            "new SECRET_KEY makes them unreadable.",
            hint="Set it to a key of Fernet.generate_key(), newest first; rows sealed before stay readable.",
            id="agentcore_metering.W002",
        )
    litellm = sys.modules.get("litellm")
    if os.environ.get(LITELLM_LOG_ENV, "").strip().upper() == "DEBUG" or getattr(litellm, "set_verbose", False):
        yield Warning(
            "LiteLLM's debug output is on: it prints prompts, answers and request headers past the logging of this project.",
            hint=f"Unset {LITELLM_LOG_ENV}, and set litellm.set_verbose to False.",
            id="agentcore_metering.W009",
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
