"""Owns a daemon thread that repeats one step: started on first use, again after a fork, woken without a lock that could block.

What the step does is left to whoever makes the loop.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue

__all__ = ["BackgroundLoop", "Pause"]

logger = logging.getLogger(__name__)

START_AGAIN_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class Pause:
    """How long a loop rests after a step."""

    seconds: float
    is_backoff: bool = False
    """Whether new work does not end it; `hurry` always does."""


class _Signal(Enum):
    WAKE = auto()
    HURRY = auto()


class BackgroundLoop:
    """A thread that calls `step` again and again, with the pause that each call returns. `step` must not raise."""

    def __init__(
        self,
        name: str,
        step: Callable[[], Pause],
        *,
        linger_s: float,
        busy_share: float = 1.0,
        at_end: Callable[[], None] | None = None,
        may_start: bool = True,
    ) -> None:
        self._name = name
        self._step = step
        self._linger_s = linger_s
        """Between a wake-up and the step, so that it finds more than one piece of work."""
        self._busy_share = busy_share
        """The part of the time that steps may take while work keeps coming: it is done in larger pieces instead, yet without a pause
        longer than the one that a step asks for."""
        self._at_end = at_end
        self._may_start = may_start
        """False where threads stop at any place for any time: one in the middle of a transaction would lock everybody out."""
        self.reset()

    def reset(self) -> None:
        """Forget the thread: after a fork it does not exist here, and its queue may be locked for ever."""
        self._thread: threading.Thread | None = None
        # SimpleQueue.put may be called by a signal handler in the middle of another put; an Event could deadlock.
        self._signals: SimpleQueue[_Signal] = SimpleQueue()
        self._is_awake = False
        self._is_stopping = False
        self._starting = threading.Lock()
        self._start_not_before_s = float("-inf")

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller is this loop's own step."""
        return self._thread is threading.current_thread()

    def ensure_running(self) -> bool:
        """Start the thread unless it runs; whether it does now. It cannot be started while the interpreter shuts down."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            return True
        if not self._may_start:
            return False
        if not self._starting.acquire(blocking=False):
            return True  # another thread is at it, or the code that this signal handler has interrupted
        try:
            return self._start()
        finally:
            self._starting.release()

    def wake(self) -> None:
        """There is new work."""
        if not self._is_awake:
            self._is_awake = True
            self._signals.put(_Signal.WAKE)

    def hurry(self) -> None:
        """Somebody waits: make the next step now."""
        self._signals.put(_Signal.HURRY)

    def stop(self, timeout_s: float) -> bool:
        """End after the step in progress; False where that takes longer than `timeout_s`."""
        thread = self._thread
        self._is_stopping = True
        self.hurry()
        if thread is None or self.is_current_thread:
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def _start(self) -> bool:
        now_s = time.monotonic()
        if self._thread is not None and self._thread.is_alive():
            return True
        if now_s < self._start_not_before_s:
            return False
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError as exc:
            self._thread = None
            self._start_not_before_s = now_s + START_AGAIN_AFTER_S
            logger.warning(
                "The thread %s cannot be started, so usage rows wait for another process: %s", self._name, exc
            )
            return False
        return True

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                # Before the step: work that comes during it wakes the loop again.
                self._is_awake = False
                began_s = time.monotonic()
                pause = self._step()
                took_s = time.monotonic() - began_s
                self._rest(pause, max(self._linger_s, took_s / self._busy_share - took_s))
        finally:
            if self._at_end is not None:
                self._at_end()

    def _rest(self, pause: Pause, linger_s: float) -> None:
        until_s = time.monotonic() + pause.seconds
        wakes = not pause.is_backoff
        while not self._is_stopping:
            try:
                signal = self._signals.get(timeout=max(0.0, until_s - time.monotonic()))
            except Empty:
                return
            if signal is _Signal.HURRY:
                return
            if wakes:
                until_s = min(until_s, time.monotonic() + linger_s)
                wakes = False
