"""Which sink this process writes through, and where its journal lies: `AGENTCORE_METERING_WRITE_MODE` and the `SPOOL_` settings."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.core import mail
from django.db import connections

from agentcore_metering.adapters.django.conf import database_identity, metering_settings
from agentcore_metering.adapters.django.persistence.hosts import UWSGI_WITHOUT_THREADS, is_uwsgi_without_threads
from agentcore_metering.adapters.django.persistence.inline import InlineSink
from agentcore_metering.adapters.django.persistence.journal import JournalSink
from agentcore_metering.delivery.journal import SyncMode

__all__ = ["Sink", "make_sink", "spool_directory", "writes_inline"]

logger = logging.getLogger(__name__)

Sink = InlineSink | JournalSink


def make_sink(after_write: Callable[[], None] | None = None) -> Sink:
    """The sink that the settings of this moment ask for. `after_write`: see `JournalSink`; inline, nobody has time for it."""
    if writes_inline():
        return InlineSink()
    has_threads = not is_uwsgi_without_threads()
    if not has_threads:
        # Here, because servers run no system checks.
        logger.warning("%s. Start uWSGI with --enable-threads.", UWSGI_WITHOUT_THREADS)
    return JournalSink(
        spool_directory(),
        metering_settings.DATABASE_ALIAS,
        max_bytes=metering_settings.SPOOL_MAX_BYTES,
        sync_mode=SyncMode(metering_settings.SPOOL_SYNC),
        has_threads=has_threads,
        after_write=after_write,
    )


def writes_inline() -> bool:
    """Whether rows are written before a call returns: as asked for, or because only the caller's connection sees the database."""
    if metering_settings.WRITE_MODE != "auto":
        return metering_settings.WRITE_MODE == "inline"
    connection = connections[metering_settings.DATABASE_ALIAS]
    in_memory = connection.vendor == "sqlite" and connection.is_in_memory_db()  # type: ignore[attr-defined]
    # Django's test environment: rows must be there for the test that made them and be rolled back with it.
    return in_memory or hasattr(mail, "outbox")


def spool_directory() -> Path:
    """The journal's directory: the same for every process of a project on this machine, another one for every other project."""
    if metering_settings.SPOOL_DIR is not None:
        return metering_settings.SPOOL_DIR
    identity = "\0".join(database_identity(metering_settings.DATABASE_ALIAS)).encode()
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"agentcore-metering-{owner}-{hashlib.sha256(identity).hexdigest()[:12]}"
