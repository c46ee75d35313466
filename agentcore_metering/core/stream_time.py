"""Owns how long one stream may take: until it begins, between two pieces, and in all; and ends the wait of a thread that has no more.

A silent provider is cut by its own client. One that keeps sending what is no chunk (comments that keep the connection alive) never is:
a thread that reads it has its connection taken away when the stream's whole time is over.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter

from agentcore_metering.core.alarms import Alarm, set_alarm
from agentcore_metering.core.containment import contained
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.retry import MIN_TIMEOUT_S

__all__ = ["StreamTime"]


class StreamTime:
    """The three limits of one stream by one configuration, counted from that one's first request."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._total_s = call.request.total_timeout_s
        self._alarm: Alarm | None = None
        self._was_cut = False

    @property
    def idle_s(self) -> float:
        """How long the provider may be silent, in seconds."""
        return self._call.request.idle_timeout_s or self._call.request.timeout_s

    @property
    def budget_s(self) -> float:
        """How long attempts and the waits between them may take together, in seconds."""
        timeout_s = self._call.request.timeout_s
        return timeout_s if self._total_s is None else min(timeout_s, self._total_s)

    @property
    def is_over(self) -> bool:
        """Whether the stream has had all of its time."""
        return self._total_s is not None and self._call.sent_elapsed_s >= self._total_s

    def patience(self, *, has_begun: bool) -> tuple[float, str]:
        """How long the provider may be silent now, in seconds, and what to say when it is for longer."""
        elapsed_s, timeout_s = self._call.sent_elapsed_s, self._call.request.timeout_s
        limits = [(self.idle_s, f"The provider sent nothing for {self.idle_s:g} s (stream_idle_timeout_seconds).")]
        if self._total_s is not None:
            limits.append((self._total_s - elapsed_s, self._reason))
        if not has_begun:
            reason = f"The stream did not begin within {timeout_s:g} s (request_timeout_seconds)."
            limits.append((timeout_s - elapsed_s, reason))
        seconds, reason = min(limits, key=itemgetter(0))
        return max(seconds, MIN_TIMEOUT_S), reason

    def check(self) -> None:
        """Raise `TimeoutError` where the stream has had all of its time, whatever the provider's client thinks of it."""
        if self.is_over:
            raise TimeoutError(self._reason)

    def watch(self, cut: Callable[[], None]) -> None:
        """Have another thread call `cut` when the whole time is over, until `forget`. Nothing where there is no such limit."""
        if self._total_s is None or self._alarm is not None:
            return

        def take_away() -> None:
            self._was_cut = True
            cut()

        with contained("stream"):
            self._alarm = set_alarm(self._total_s - self._call.sent_elapsed_s, take_away)

    def forget(self) -> None:
        """The stream has ended."""
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.cancel()

    def check_cut(self) -> None:
        """Raise `TimeoutError` where the stream ended because `watch` took its connection away: it looks like an end to some clients."""
        if self._was_cut:
            raise TimeoutError(self._reason)

    def as_told(self, exc: BaseException) -> BaseException:
        """`exc`, or the `TimeoutError` that it means: what a client says of a connection that was taken away tells nobody why."""
        return TimeoutError(self._reason) if self._was_cut and isinstance(exc, Exception) else exc

    @property
    def _reason(self) -> str:
        return f"The stream did not end within {self._total_s:g} s (stream_total_timeout_seconds)."
