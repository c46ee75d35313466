"""Owns how often a lasting fault says so."""

from __future__ import annotations

from agentcore_metering.core.ports import Clock

__all__ = ["LogThrottle"]

INTERVAL_S = 60.0


class LogThrottle:
    """One line a minute and topic."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told_s: dict[str, float] = {}

    def is_due(self, topic: str) -> bool:
        """Whether it is time to tell of `topic` again; a yes counts as told."""
        now_s = self._clock.monotonic_s()
        told_s = self._told_s.get(topic)
        if told_s is not None and now_s - told_s < INTERVAL_S:
            return False
        self._told_s[topic] = now_s
        return True
