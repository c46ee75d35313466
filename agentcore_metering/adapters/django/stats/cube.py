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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from django.db import connections

from agentcore_metering.adapters.django.models.querysets import wait_for_writes
from agentcore_metering.adapters.django.rollups.cubes import FIRST_CHUNK_BINS, LATENCY_BINS
from agentcore_metering.adapters.django.rollups.dialects import dialect_of
from agentcore_metering.adapters.django.rollups.reading import CubeStatement, Selection, planned
from agentcore_metering.adapters.django.stats.buckets import EVER, Period
from agentcore_metering.adapters.django.stats.totals import Totals, currency_total, sum_of

__all__ = ["CubeQuery", "CubeRow", "TooManyGroups", "cube_rows"]

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
    wait_for_writes(using)
    selection = Selection(query.dimensions, query.filters, query.has_histograms, query.limit and query.limit + 1)
    dialect_of(connections[using].vendor)
    for attempt in range(PLANS + 1):
        plan = planned(using, selection, _stretches(query), has_cells=attempt < PLANS)
        statement = CubeStatement(using, selection, query.edges, plan)
        if (groups := statement.run()) is not None:
            if query.limit is not None and len(groups) > query.limit:
                raise TooManyGroups
            return _added(groups, statement.columns, query)
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
    """A group comes once for each currency and each source."""
    parts: dict[tuple[Any, ...], list[Totals]] = defaultdict(list)
    width = 1 + len(query.dimensions)
    for group in groups:
        parts[group[:width]].append(_totals(group[width], dict(zip(columns, group[width + 1 :], strict=True))))
    return [CubeRow(key[0], key[1:], sum_of(totals)) for key, totals in parts.items()]


def _totals(currency: str, sums: dict[str, Any]) -> Totals:
    cost = currency_total(currency, sums["cost_micro"] * 10**6 + sums["cost_pico"], sums["priced_calls"])
    return Totals(
        **{name: sums[name] for name in _COPIED},
        all_tokens=sums["total_tokens"],
        latencies=_histogram(sums, LATENCY_BINS),
        first_chunk_delays=_histogram(sums, FIRST_CHUNK_BINS),
        costs=(cost,) if cost.priced_calls else (),
    )


_COPIED = (
    "calls",
    "logical_calls",
    "succeeded_calls",
    "cancelled_calls",
    "streams",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "timed_calls",
    "timed_tokens",
    "timed_us",
    "first_chunk_calls",
    "first_chunk_us",
)


def _histogram(sums: dict[str, Any], bins: Sequence[str]) -> tuple[int, ...]:
    if bins[0] not in sums:
        return ()
    counts = tuple(sums[name] or 0 for name in bins)
    return counts if any(counts) else ()
