"""What is known of the server that runs this process, as far as it matters to the thread that delivers. Nothing is imported for it."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["UWSGI_WITHOUT_THREADS", "is_uwsgi_without_threads", "monkey_patcher"]

UWSGI_WITHOUT_THREADS = (
    "uWSGI runs without --enable-threads, so its processes deliver no usage rows: these stay in the journal until metering_drain "
    "brings them to the database"
)

_OFF = {"", "0", "false", "no", "off"}


def is_uwsgi_without_threads() -> bool:
    """Whether this is a uWSGI process in which threads that Python starts stand still whenever no request is handled.

    One that delivers would do so in the middle of a transaction, with its locks. uWSGI 2.0.31 has no such processes any more.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return False
    has_threads = getattr(uwsgi, "has_threads", None)
    if has_threads is not None:
        return not has_threads
    options: dict[Any, Any] = getattr(uwsgi, "opt", {})
    given = {_text(name): _text(value).lower() for name, value in options.items()}
    return given.get("enable-threads", "0") in _OFF and given.get("threads", "0") in _OFF  # either is enough


def monkey_patcher() -> str | None:
    """`gevent` or `eventlet`, where it has put greenlets into the place of threads; else None."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet"
    return None


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
