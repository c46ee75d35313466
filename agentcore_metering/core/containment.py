"""The one place where an error of metering itself stops: it is logged, counted, and never reaches the call.

Safe in signal handlers and finalizers, which may come in the middle of a report, and across forks: a child begins at zero.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["contained", "contained_counts", "reset"]

logger = logging.getLogger(__name__)

LOG_INTERVAL_S = 60.0
"""A lasting fault says so once a minute, not once a call."""

# Reentrant: a signal handler that makes a call may interrupt a report in the very thread that holds the lock.
_lock = threading.RLock()
_counts: Counter[str] = Counter()
_last_logged_s: dict[str, float] = {}


@contextmanager
def contained(part: str) -> Iterator[None]:
    """Run a piece of metering's own work, named `part`, so that its exceptions stop here.

    Only `Exception` is contained: an interrupt or an exit goes on. Side effects: a log line with traceback at most once a minute
    and part, and a count in `contained_counts`.
    """
    try:
        yield
    except Exception as exc:  # noqa: BLE001 - the promise of this module: metering never raises into a call
        _report(part, exc)


def contained_counts() -> dict[str, int]:
    """How many errors were contained in this process so far, by part."""
    with _lock:
        return dict(_counts)


def reset() -> None:
    """Forget counts and log times: for tests."""
    with _lock:
        _counts.clear()
        _last_logged_s.clear()


def _begin_anew_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it, and that thread does not exist here
    _lock = threading.RLock()
    reset()


os.register_at_fork(after_in_child=_begin_anew_in_child)


def _report(part: str, exc: Exception) -> None:
    now_s = time.monotonic()
    with _lock:
        _counts[part] += 1
        count = _counts[part]
        last_s = _last_logged_s.get(part)
        is_due = last_s is None or now_s - last_s >= LOG_INTERVAL_S
        if is_due:
            _last_logged_s[part] = now_s
    if is_due:
        logger.error(
            "Metering failed in %s (%d so far in this process); the call was not affected. Cause: %s: %s",
            part,
            count,
            type(exc).__name__,
            exc,
            exc_info=exc,
        )
