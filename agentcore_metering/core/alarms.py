"""Owns one thread of this process that does a piece of work at its time. What the work is, is its owner's.

There is one thread however many alarms are set, and none before the first. An alarm that was cancelled costs nothing more: the thread
wakes for those that are left.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from agentcore_metering.core.containment import contained

__all__ = ["Alarm", "set_alarm"]


@dataclass(frozen=True, slots=True, eq=False)
class Alarm:
    """Work that waits for its time."""

    due_s: float
    """By the monotonic clock."""
    work: Callable[[], None]

    def cancel(self) -> None:
        """Nothing will be done, unless it is being done at this moment. Takes no lock."""
        _keeper.alarms.discard(self)


class _Keeper:
    """The alarms of one process, and who does their work."""

    def __init__(self) -> None:
        self.alarms: set[Alarm] = set()
        # Reentrant: a signal handler that makes a call may interrupt the start of the thread.
        self._starting = threading.RLock()
        self._is_starting = False
        self._has_thread = False
        # Its `put` may be called by a signal handler in the middle of another one.
        self._earlier: SimpleQueue[None] = SimpleQueue()
        self._wakes_s = math.inf

    def add(self, alarm: Alarm) -> None:
        self.alarms.add(alarm)
        try:
            self._ensure_thread()
        except RuntimeError:
            self.alarms.discard(alarm)
            raise
        if alarm.due_s < self._wakes_s:
            self._earlier.put(None)

    def _ensure_thread(self) -> None:
        if self._has_thread:
            return
        with self._starting:
            if self._is_starting or self._has_thread:
                return
            self._is_starting = True
            try:
                threading.Thread(target=self._keep, name="agentcore-metering-alarms", daemon=True).start()
                self._has_thread = True
            finally:
                self._is_starting = False

    def _keep(self) -> None:
        while True:
            self._do_what_is_due()
            # Before the look at the alarms: one that is set during it wakes the thread, too.
            self._wakes_s = math.inf
            self._wakes_s = min((alarm.due_s for alarm in list(self.alarms)), default=math.inf)
            timeout_s = None if self._wakes_s == math.inf else max(0.0, self._wakes_s - time.monotonic())
            try:
                self._earlier.get(timeout=timeout_s)
            except Empty:
                continue

    def _do_what_is_due(self) -> None:
        now_s = time.monotonic()
        for alarm in [alarm for alarm in list(self.alarms) if alarm.due_s <= now_s]:
            self.alarms.discard(alarm)
            with contained("alarm"):
                alarm.work()


_keeper = _Keeper()


def set_alarm(delay_s: float, work: Callable[[], None]) -> Alarm:
    """Have `work` done by another thread in `delay_s` seconds, unless it is cancelled before; it should not take long.

    Side effect: the first one of a process starts its thread. RuntimeError where none can be started.
    """
    alarm = Alarm(time.monotonic() + delay_s, work)
    _keeper.add(alarm)
    return alarm


def _begin_anew_in_child() -> None:
    global _keeper  # noqa: PLW0603 - the parent's alarms and its thread are the parent's
    _keeper = _Keeper()


os.register_at_fork(after_in_child=_begin_anew_in_child)
