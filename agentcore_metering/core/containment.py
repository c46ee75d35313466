"""The one place where an error of metering itself stops: it is logged, counted, and never reaches the call.

Safe in signal handlers and finalizers, which may come in the middle of a report, and across forks: a child begins at zero.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter

__all__ = ["contained", "contained_counts", "reset"]

logger = logging.getLogger(__name__)

LOG_INTERVAL_S = 60.0
"""A lasting fault says so once a minute, not once a call."""

# Reentrant: a signal handler that makes a call may interrupt a report in the very thread that holds the lock.
_lock = threading.RLock()
_counts: Counter[str] = Counter()
_last_logged_s: dict[str, float] = {}


class contained:  # noqa: N801 - a context manager that reads like the built-in ones; a class, because a call enters a dozen of them
    """Run a piece of metering's own work, named `part`, so that its exceptions stop here.

    Only `Exception` is contained: an interrupt or an exit goes on. Side effects: a log line with traceback at most once a minute
    and part, and a count in `contained_counts`.
    """

    __slots__ = ("_part",)

    def __init__(self, part: str) -> None:
        self._part = part

    def __enter__(self) -> None:
        """Begin the piece."""

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, _traceback: object) -> bool:
        """Whether `exc` stops here: the promise of this module is that metering never raises into a call."""
        if not isinstance(exc, Exception):
            return False
        _report(self._part, exc)
        return True


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
