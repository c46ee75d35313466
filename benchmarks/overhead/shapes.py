"""Owns the shapes of a turn: whole answers, streams, coroutines, threads; and what a turn's clocks read."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.overhead.ways import Way

__all__ = ["SHAPES", "Turn", "take_turn"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one way took for one call, in microseconds."""

    thread_us: float
    """CPU of the thread that called, median over the turn's calls (mean where threads or a loop share the turn)."""
    process_us: float
    """CPU of the whole process with its background threads, exports and drain included."""
    first_chunk_us: float | None = None
    """Wall time from the call to the first chunk, median; None for shapes without chunks."""


Timed = tuple[float, float | None]


def _whole(way: Way, calls: int) -> Timed:
    return statistics.median(_timed(way.whole) for _ in range(calls)), None


def _stream(way: Way, calls: int) -> Timed:
    thread_us, first_us = [], []
    for _ in range(calls):
        began_s, wall_s = time.thread_time(), time.perf_counter()
        chunks = iter(way.stream())
        next(chunks)
        first_us.append((time.perf_counter() - wall_s) * 1e6)
        for _chunk in chunks:
            pass
        thread_us.append((time.thread_time() - began_s) * 1e6)
    return statistics.median(thread_us), statistics.median(first_us)


def _awaited(way: Way, calls: int) -> Timed:
    async def run() -> None:
        for _ in range(calls):
            await way.awaited()

    return _timed(lambda: _loop().run_until_complete(run())) / calls, None


def _in_threads(count: int) -> Callable[[Way, int], Timed]:
    def take(way: Way, calls: int) -> Timed:
        with ThreadPoolExecutor(count) as pool:
            return statistics.mean(pool.map(lambda _: _timed(way.whole), range(calls))), None

    return take


def _timed(work: Callable[[], object]) -> float:
    began_s = time.thread_time()
    work()
    return (time.thread_time() - began_s) * 1e6


_kept_loop: list[asyncio.AbstractEventLoop] = []


def _loop() -> asyncio.AbstractEventLoop:
    """One loop for the whole run: LiteLLM keeps its connections by loop."""
    if not _kept_loop:
        _kept_loop.append(asyncio.new_event_loop())
    return _kept_loop[0]


SHAPES: dict[str, Callable[[Way, int], Timed]] = {
    "whole": _whole,
    "stream": _stream,
    "async": _awaited,
    "threads-8": _in_threads(8),
    "threads-32": _in_threads(32),
}


def take_turn(way: Way, shape: str, calls: int, settle: Callable[[], None]) -> Turn:
    """`calls` calls in this way; `settle` is what has to be done before the process's clock is read."""
    began_s = time.process_time()
    with way.active():
        thread_us, first_chunk_us = SHAPES[shape](way, calls)
        settle()
    return Turn(thread_us, (time.process_time() - began_s) * 1e6 / calls, first_chunk_us)
