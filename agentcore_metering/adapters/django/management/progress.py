"""How far long work has come: one line on a terminal that is written over and over, and nothing where nobody looks.

What is counted is left to the commands, and where the line goes to `output`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Progress", "progress_line"]

INTERVAL_S = 0.1
"""Between two lines: an eye follows no more, and a terminal far away is not kept busy."""
BAR_CELLS = 20


class Progress:
    """A line for as long as the `with` block runs; it is gone before a result or an error is printed."""

    def __init__(
        self,
        write: Callable[[str], None] | None,
        unit: str,
        count: Callable[[], int] | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`write` is None where nothing is to be seen; then `count`, which may take a while, is not asked for the total."""
        self.is_shown = write is not None
        self._write = write or _nowhere
        self._unit = unit
        self._total = count() if count is not None and self.is_shown else None
        self._monotonic_s = monotonic_s
        self._began_s = monotonic_s()
        self._drawn_s: float | None = None
        self._length = 0

    def __enter__(self) -> Self:
        self.update(0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._length:
            self._write("\r" + " " * self._length + "\r")

    def update(self, done: int, total: int | None = None) -> None:
        """So much is done; `total` takes the place of the one that was counted. Draws at most ten times a second."""
        now_s = self._monotonic_s()
        if not self.is_shown or (self._drawn_s is not None and now_s - self._drawn_s < INTERVAL_S):
            return
        self._drawn_s = now_s
        self._total = self._total if total is None else total
        # One cell is left free: some terminals begin a new line as soon as the last one is filled.
        width = shutil.get_terminal_size().columns - 1
        line = progress_line(self._unit, done, self._total, now_s - self._began_s)[:width]
        self._write("\r" + line.ljust(self._length))
        self._length = len(line)

    def update_left(self, left: int) -> None:
        """So much of the total is left."""
        self.update(max(0, (self._total or left) - left))


def progress_line(unit: str, done: int, total: int | None, elapsed_s: float) -> str:
    """What is done, of how much, how fast, and how long the rest takes at that pace; without a total what is known."""
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    speed = f"{rate:,.0f} {unit}/s" if rate >= 10 or not rate else f"{rate:.1f} {unit}/s"
    if total is None:
        return f"{done:,} {unit}  {speed}"
    # More may have come since it was counted.
    total = max(total, done)
    share = done / total if total else 1.0
    filled = int(share * BAR_CELLS)
    left = _clock((total - done) / rate) if rate else "?"
    return (
        f"[{'#' * filled}{'.' * (BAR_CELLS - filled)}] {share:4.0%}  {done:,} of {total:,} {unit}  {speed}  {left} left"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _nowhere(_text: str) -> None:
    pass
