"""Pure choice of sources: which parts of a stretch of time are whole buckets whose sums hold, and which are to be read from the rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.coverage import Coverage
from agentcore_metering.adapters.django.rollups.grains import ceil, floor, following

__all__ = ["Piece", "Plan", "make_plan"]


class Piece(NamedTuple):
    """A half-open part of a stretch; None leaves a side open."""

    start: datetime | None
    end: datetime | None
    place: int
    """The number of the stretch."""


@dataclass(slots=True)
class Plan:
    """Where each part is read from. Together the pieces are the stretches, without overlap."""

    cells: dict[Grain, list[Piece]] = field(default_factory=lambda: {grain: [] for grain in Grain})
    rows: list[Piece] = field(default_factory=list)

    @property
    def has_cells(self) -> bool:
        """Whether sums are used at all."""
        return any(self.cells.values())


def make_plan(
    stretches: Sequence[tuple[datetime | None, datetime | None]],
    grains: Sequence[Grain],
    coverage: Coverage | None,
    marked: Collection[datetime],
) -> Plan:
    """The coarsest whole buckets of `grains`, from fine to coarse, that are covered and have no marked hour; rows for all the rest."""
    splitter = _Splitter(grains, coverage, marked)
    for place, (start, end) in enumerate(stretches):
        splitter.split(start, end, place)
    return splitter.plan


class _Splitter:
    def __init__(self, grains: Sequence[Grain], coverage: Coverage | None, marked: Collection[datetime]) -> None:
        self.plan = Plan()
        self._grains = tuple(reversed(grains))
        self._coverage = coverage
        self._marked = {grain: sorted({floor(grain, hour) for hour in marked}) for grain in grains}

    def split(self, start: datetime | None, end: datetime | None, place: int) -> None:
        coverage = self._coverage
        if coverage is None or not self._grains:
            self._add_rows(start, end, place)
            return
        if start is None or start < coverage.start:
            cut = coverage.start if end is None else min(end, coverage.start)
            self._add_rows(start, cut, place)
            start = cut
        cut = coverage.end if end is None else min(end, coverage.end)
        self._cover(0, start, cut, place)
        if end is None or end > cut:
            self._add_rows(max(start, cut), end, place)

    def _cover(self, level: int, start: datetime, end: datetime, place: int) -> None:
        """Fill a covered stretch with buckets of the grain at `level`, and what these leave with finer ones."""
        if start >= end:
            return
        if level == len(self._grains):
            self._add_rows(start, end, place)
            return
        grain = self._grains[level]
        first, last = ceil(grain, start), floor(grain, end)
        if first >= last:
            self._cover(level + 1, start, end, place)
            return
        self._cover(level + 1, start, first, place)
        marked = self._marked[grain]
        for bucket in marked[bisect_left(marked, first) : bisect_left(marked, last)]:
            self._add(self.plan.cells[grain], first, bucket, place)
            first = following(grain, bucket)
            self._cover(level + 1, bucket, first, place)
        self._add(self.plan.cells[grain], first, last, place)
        self._cover(level + 1, last, end, place)

    def _add_rows(self, start: datetime | None, end: datetime | None, place: int) -> None:
        self._add(self.plan.rows, start, end, place)

    @staticmethod
    def _add(pieces: list[Piece], start: datetime | None, end: datetime | None, place: int) -> None:
        if start is not None and end is not None and start >= end:
            return
        if pieces and pieces[-1].place == place and pieces[-1].end is not None and pieces[-1].end == start:
            pieces[-1] = pieces[-1]._replace(end=end)
        else:
            pieces.append(Piece(start, end, place))
