"""Ends what its owner dropped unfinished, on a thread of its own.

A destructor runs wherever the garbage collector happens to: possibly in the middle of a lock that ending the call would need, be it an
exporter's or the HTTP connection pool's (an open response that is collected inside its pool stops every call of the process for good).
So what must be ended in order is kept from the collector until it has been, and destructors only leave the work here.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from agentcore_metering.core.containment import contained

__all__ = ["end_later", "keep", "prepare", "release", "wait"]

Work = Callable[[], object]

EXIT_WAIT_S = 2.0

# Its `put` is reentrant: the one queue that a destructor may use.
_queue: SimpleQueue[Work] = SimpleQueue()
_kept: set[object] = set()
# Reentrant: a signal handler that makes a call may interrupt another one's first.
_lock = threading.RLock()
_owner_pid = 0


def keep(thing: object) -> None:
    """Keep `thing`, and all that it alone holds, from the garbage collector until it is released."""
    _kept.add(thing)


def release(thing: object) -> None:
    """It has ended; it may go."""
    _kept.discard(thing)


def prepare() -> None:
    """Make sure that somebody in this process will do the work; where no thread can be started now, the next call tries it again.

    To be called where a thread may be started: not in a destructor.
    """
    global _owner_pid  # noqa: PLW0603 - one thread a process, made anew after a fork
    if _owner_pid == os.getpid():
        return
    with contained("stream"), _lock:
        if _owner_pid != os.getpid():
            threading.Thread(target=_work, name="agentcore-metering-dropped", daemon=True).start()
            _owner_pid = os.getpid()


def end_later(work: Work) -> None:
    """Have `work` done soon by another thread. Takes no lock and starts nothing, so a destructor may call it."""
    _queue.put(work)


def wait(timeout_s: float) -> bool:
    """Wait until everything left so far is done; False when that took longer than `timeout_s`, or nobody is there to do it."""
    if _owner_pid != os.getpid():
        return _queue.empty()
    done = threading.Event()
    _queue.put(done.set)
    return done.wait(timeout_s)


def _work() -> None:
    while True:
        work = _queue.get()
        with contained("stream"):
            work()
        # Else the last one, and the call that it belongs to, would live until the next comes.
        del work


def _begin_anew_in_child() -> None:
    global _lock, _queue  # noqa: PLW0603 - a thread of the parent may have held the lock, and what is in the queue is the parent's
    _lock = threading.RLock()
    _queue = SimpleQueue()


os.register_at_fork(after_in_child=_begin_anew_in_child)
atexit.register(wait, EXIT_WAIT_S)
