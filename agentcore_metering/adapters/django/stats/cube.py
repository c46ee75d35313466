"""Exact sums of usage, by any dimensions, over any stretch of time: the one place where figures are read.

Whole hours, days and months come from the narrowest rollup that has the dimensions asked for; crooked ends, what is not closed, and
what has changed since come from the rows. All of it is one statement, which also says whether its plan still held: so the sums are
those of the rows of one moment, exactly, while rows come, change and go and rollups are refreshed.

    rows = cube_rows(CubeQuery(("user_id", "model"), period, filters={"provider": ["openai"]}), using)
    rows[0].keys      # (7, "openai/gpt-4o-mini")
    rows[0].totals    # Totals(calls=..., costs=(CurrencyTotal("USD", ...),), ...)

The dimensions are those of `rollups.cubes.DIMENSIONS`. Where no rollup has all that a query groups and filters by (users and nodes
together, say), the rows are read: right, and as slow as they are many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from django.db import connections

from agentcore_metering.adapters.django.models.querysets import wait_for_writes
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.cubes import FIRST_CHUNK_BINS, LATENCY_BINS
from agentcore_metering.adapters.django.rollups.dialects import dialect_of
from agentcore_metering.adapters.django.rollups.plan import Plan
from agentcore_metering.adapters.django.rollups.ranking import FIGURES, Ranked, Ranking, RankStatement
from agentcore_metering.adapters.django.rollups.reading import CubeStatement, Selection, planned
from agentcore_metering.adapters.django.stats.buckets import EVER, Period
from agentcore_metering.adapters.django.stats.totals import Totals, currency_total, sum_of

__all__ = ["CubeQuery", "CubeRow", "TooManyGroups", "cube_rows", "ranked_groups"]

_T = TypeVar("_T")

PLANS = 5
"""How often a plan is made anew because hours that it used were written to meanwhile; after that the rows are read."""


@dataclass(frozen=True, slots=True)
class CubeQuery:
    """Which sums are asked for."""

    dimensions: tuple[str, ...] = ()
    """What they are grouped by, in the order of each row's keys; none: one sum of everything."""
    period: Period = EVER
    edges: tuple[datetime, ...] = ()
    """Ascending moments, UTC, that cut the period into places: n edges make n + 1 of them. In any time zone, of any length."""
    filters: Mapping[str, Collection[Any]] = field(default_factory=dict)
    """Dimension -> the values that count; None among them is a row that has none."""
    has_histograms: bool = False
    """Whether percentiles are wanted too."""
    limit: int | None = None
    """At most so many groups are read from the database: each counts once for each currency, and for each source it is read from."""
    finest: Grain = Grain.HOUR
    """Rows are read for what no sums of this grain or a coarser one say."""


class TooManyGroups(Exception):
    """There are more groups than the query's limit; their sums are not known."""


class CubeRow(NamedTuple):
    """The sums of one group. Groups without rows are left out."""

    place: int
    """Which part of the period; 0 for the first."""
    keys: tuple[Any, ...]
    totals: Totals


def cube_rows(query: CubeQuery, using: str) -> list[CubeRow]:
    """The sums that `query` asks for, in no order; two statements. A process waits for its own rows that are on their way.

    Raises KeyError for an unknown dimension, TooManyGroups beyond the query's limit, NotSupportedError on a database whose SQL is not known.
    """
    selection = Selection(query.dimensions, query.filters, query.has_histograms, query.limit and query.limit + 1)
    groups = _answer(query, using, selection, lambda plan: CubeStatement(using, selection, query.edges, plan).run())
    if query.limit is not None and len(groups) > query.limit:
        raise TooManyGroups
    return _added(groups, selection.measures, query)


def ranked_groups(query: CubeQuery, ranking: Ranking, using: str) -> list[Ranked]:
    """The first groups of `query` in the order of `ranking`; two statements. Their sums are for `cube_rows` to read."""
    selection = Selection(query.dimensions, query.filters, has_histograms=False, needed=FIGURES[ranking.figure])
    return _answer(
        query, using, selection, lambda plan: RankStatement(using, selection, query.edges, plan, ranking).ranked()
    )


def _answer(query: CubeQuery, using: str, selection: Selection, read: Callable[[Plan], _T | None]) -> _T:
    """What `read` says by a plan that holds; None is one that does not."""
    wait_for_writes(using)
    dialect_of(connections[using].vendor)
    for attempt in range(PLANS + 1):
        plan = planned(using, selection, _stretches(query), has_cells=attempt < PLANS, finest=query.finest)
        if (answer := read(plan)) is not None:
            return answer
    raise AssertionError("a plan of rows alone always holds")


def _stretches(query: CubeQuery) -> list[tuple[datetime | None, datetime | None]]:
    """The places of the period; those outside of it are empty."""
    start, end = query.period.start, query.period.end
    cuts = [start, *(_clipped(edge, start, end) for edge in query.edges), end]
    return list(pairwise(cuts))


def _clipped(edge: datetime, start: datetime | None, end: datetime | None) -> datetime:
    if start is not None and edge < start:
        return start
    return edge if end is None or edge < end else end


def _added(groups: Sequence[tuple[Any, ...]], columns: Sequence[str], query: CubeQuery) -> list[CubeRow]:
    """A group comes once for each currency."""
    parts: dict[tuple[Any, ...], list[Totals]] = defaultdict(list)
    width = 1 + len(query.dimensions)
    columns_of = _Columns(columns, width)
    for group in groups:
        parts[group[:width]].append(columns_of.totals(group))
    return [CubeRow(key[0], key[1:], sum_of(totals)) for key, totals in parts.items()]


class _Columns:
    """Where the sums stand in a group: looked up once, as there may be thousands of them."""

    def __init__(self, columns: Sequence[str], width: int) -> None:
        self._currency = width
        places = {name: width + 1 + number for number, name in enumerate(columns)}
        self._copied = itemgetter(*(places[_STORED_AS.get(name, name)] for name in _COPIED))
        self._cost = itemgetter(*(places[name] for name in ("cost_micro", "cost_pico", "priced_calls")))
        self._histograms = [
            slice(places[bins[0]], places[bins[-1]] + 1) if bins[0] in places else slice(0)
            for bins in (LATENCY_BINS, FIRST_CHUNK_BINS)
        ]

    def totals(self, group: tuple[Any, ...]) -> Totals:
        micro, pico, priced_calls = self._cost(group)
        cost = currency_total(group[self._currency], micro * 10**6 + pico, priced_calls)
        latencies, first_chunk_delays = (_histogram(group[bins]) for bins in self._histograms)
        return Totals(
            **dict(zip(_COPIED, self._copied(group), strict=True)),
            latencies=latencies,
            first_chunk_delays=first_chunk_delays,
            costs=(cost,) if cost.priced_calls else (),
        )


_STORED_AS = {"all_tokens": "total_tokens"}
_COPIED = (
    "calls",
    "logical_calls",
    "succeeded_calls",
    "cancelled_calls",
    "streams",
    "prompt_tokens",
    "completion_tokens",
    "all_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "timed_calls",
    "timed_tokens",
    "timed_us",
    "first_chunk_calls",
    "first_chunk_us",
)


def _histogram(counts: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(count or 0 for count in counts) if any(counts) else ()
