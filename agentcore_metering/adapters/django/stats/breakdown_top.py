"""A breakdown by users, who may be thousands: the database ranks them, and only those that are shown are read with all their sums.

The statements (whether sums are kept, the total, the ranking, the rows) read at one moment. What is cut off is the total without the
rows, so it costs nothing, be it of however many groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.models.querysets import wait_for_writes
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.coverage import read_kept_until
from agentcore_metering.adapters.django.rollups.cubes import cube_for
from agentcore_metering.adapters.django.rollups.ranking import Ranked, Ranking
from agentcore_metering.adapters.django.stats.breakdown_parts import (
    Group,
    Parts,
    Time,
    column_of,
    groups_of,
    together,
)
from agentcore_metering.adapters.django.stats.breakdown_query import TIME_NAMES, BreakdownQuery
from agentcore_metering.adapters.django.stats.cube import CubeQuery, CubeRow, cube_rows, ranked_groups
from agentcore_metering.adapters.django.stats.snapshot import can_have_snapshot, one_snapshot
from agentcore_metering.adapters.django.stats.totals import currency_name, difference, sum_of

__all__ = ["MAX_TOP", "is_for_database", "top_parts"]

MAX_TOP = 100
"""Rows that are read by naming them."""


def is_for_database(query: BreakdownQuery) -> bool:
    """Whether it is ranked there: a few of many are asked for, which sums are there for, and the moment can be held."""
    if query.limit is None or query.limit > MAX_TOP or "user" not in query.dimensions:
        return False
    # Currencies are stored as they were spelled, so they are compared in Python.
    if "currency" in query.dimensions or "currency" in query.filters:
        return False
    dimensions = {column_of(name) for name in (*query.dimensions, *query.filters)}
    return cube_for({*dimensions, "cost_currency"}) is not None and can_have_snapshot(metering_settings.DATABASE_ALIAS)


def top_parts(query: BreakdownQuery, time: Time) -> Parts:
    """The first rows of `query`, and the rest as what the total has without them."""
    using = metering_settings.DATABASE_ALIAS
    wait_for_writes(using)
    with one_snapshot(using):
        by_currency = cube_rows(_total_query(query, time, using), using)
        total = _total(by_currency, time)
        currency = total.totals.main_cost.currency
        spellings = {row.keys[0] for row in by_currency if currency_name(row.keys[0]) == currency}
        ranked = ranked_groups(_query(query, time), _ranking(query, time, tuple(sorted(spellings))), using)
        shown = _read(query, time, ranked)
    together_shown = together(shown)
    rest = Group(
        (),
        difference(total.totals, together_shown.totals),
        difference(total.previous, together_shown.previous),
    )
    return Parts(total, shown, rest, ranked[0].groups - len(shown) if ranked else 0)


def _query(query: BreakdownQuery, time: Time) -> CubeQuery:
    return CubeQuery(
        dimensions=tuple(map(column_of, query.dimensions)),
        period=time.period,
        edges=time.edges,
        filters={column_of(name): values for name, values in query.filters.items()},
    )


def _total_query(query: BreakdownQuery, time: Time, using: str) -> CubeQuery:
    """By the currency as it is stored, and by the two periods."""
    kept_until = read_kept_until(using)
    start = time.period.start
    # Hours that retention has left to the total alone are in no group.
    is_cut = kept_until is not None and (start is None or start < kept_until)
    return replace(
        _query(query, time),
        dimensions=("cost_currency",),
        edges=(time.edges[len(time.labels) - 1],) if time.previous else (),
        has_histograms=True,
        finest=Grain.DAY if is_cut else Grain.HOUR,
    )


def _total(by_currency: Sequence[CubeRow], time: Time) -> Group:
    before = [row.totals for row in by_currency if time.previous and row.place == 0]
    now = [row.totals for row in by_currency if not time.previous or row.place == 1]
    return Group((), sum_of(now), sum_of(before))


def _ranking(query: BreakdownQuery, time: Time, currencies: tuple[str, ...]) -> Ranking:
    is_by_time = query.order is None and query.granularity is not None
    return Ranking(
        figure=query.order or "calls",
        is_descending=query.is_descending,
        limit=query.limit or MAX_TOP,
        currencies=currencies,
        buckets=len(time.labels),
        has_previous=time.previous is not None,
        bucket_at=next((place for place, name in enumerate(query.names) if name in TIME_NAMES), 0),
        is_by_time=is_by_time,
    )


def _read(query: BreakdownQuery, time: Time, ranked: Sequence[Ranked]) -> list[Group]:
    """The ranked groups with all their sums, in their order."""
    if not ranked:
        return []
    named = {name: tuple({each.keys[number] for each in ranked}) for number, name in enumerate(query.dimensions)}
    found = {group.keys: group for group in groups_of(replace(query, filters={**query.filters, **named}), time)}
    return [found[_keys(query, each)] for each in ranked]


def _keys(query: BreakdownQuery, ranked: Ranked) -> tuple[Any, ...]:
    """By the query's names, as a group has them."""
    by_name = dict(zip(query.dimensions, ranked.keys, strict=True))
    return tuple(ranked.bucket if name in TIME_NAMES else by_name[name] for name in query.names)
