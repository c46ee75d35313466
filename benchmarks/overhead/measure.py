"""Owns the comparison: ways take turns within a round, and every figure is a median over rounds of the difference to the first way."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Sequence

from benchmarks.overhead.shapes import Turn, take_turn
from benchmarks.overhead.ways import Way

__all__ = ["compared", "table"]

RESAMPLES = 1000
Rounds = list[dict[str, Turn]]


def compared(ways: Sequence[Way], shape: str, rounds: int, calls: int, settle: Callable[[], None]) -> Rounds:
    """The turns of each round by the way's name. Within a round the order is shuffled; one round before is not counted."""
    measured: Rounds = []
    for _ in range(rounds + 1):
        order = random.sample(list(ways), len(ways))
        measured.append({way.name: take_turn(way, shape, calls, settle) for way in order})
    return measured[1:]


def table(ways: Sequence[Way], rounds: Rounds) -> Iterator[str]:
    """The lines to print: for each way its caller's CPU, the process's CPU and the time to the first chunk, beside the first way's."""
    base = ways[0].name
    yield f"{'':18}{'caller CPU':>38}{'process CPU':>40}{'first chunk':>14}  emits"
    for way in ways:
        cells = [
            _cell(rounds, base, way.name, lambda turn: turn.thread_us),
            _cell(rounds, base, way.name, lambda turn: turn.process_us),
            _first_chunk(rounds, base, way.name),
        ]
        yield f"{way.name:18}{cells[0]:>38}{cells[1]:>40}{cells[2]:>14}  {way.emits}"


def _cell(rounds: Rounds, base: str, name: str, figure: Callable[[Turn], float]) -> str:
    added = [figure(turns[name]) - figure(turns[base]) for turns in rounds]
    ratios = [figure(turns[name]) / figure(turns[base]) for turns in rounds]
    low, high = _interval(ratios)
    return f"{statistics.median(added):+7.0f} us  {statistics.median(ratios):.3f} [{low:.3f}, {high:.3f}]"


def _first_chunk(rounds: Rounds, base: str, name: str) -> str:
    added = [
        turns[name].first_chunk_us - turns[base].first_chunk_us  # type: ignore[operator]  # all or none have it
        for turns in rounds
        if turns[base].first_chunk_us is not None
    ]
    return f"{statistics.median(added):+.0f} us" if added else ""


def _interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of the median."""
    medians = sorted(statistics.median(random.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975)]
