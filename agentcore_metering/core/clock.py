"""The system's time as a `Clock`."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

__all__ = ["SystemClock"]


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds by the performance counter, which no clock step moves."""
        return time.perf_counter()

    def sleep(self, delay_s: float) -> None:
        """Block this thread for `delay_s` seconds."""
        time.sleep(delay_s)

    async def asleep(self, delay_s: float) -> None:
        """Let the event loop go on for `delay_s` seconds."""
        await asyncio.sleep(delay_s)
