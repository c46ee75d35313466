"""Owns what a breakdown's answer is made of: the groups with their sums, now and in the period before, and where time is cut.

Which of them are shown, and in which order, is left to `breakdown` and `breakdown_top`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.stats.breakdown_query import TIME_NAMES, BreakdownQuery
from agentcore_metering.adapters.django.stats.buckets import Calendar, Period, period_buckets
from agentcore_metering.adapters.django.stats.cube import CubeQuery, CubeRow, TooManyGroups, cube_rows
from agentcore_metering.adapters.django.stats.totals import Totals, currency_name, sum_of
from agentcore_metering.core.errors import InvalidField

__all__ = ["Group", "Parts", "Time", "column_of", "groups_of", "time_of", "together"]

_COLUMNS = {"user": "user_id", "node": "node_name", "config": "config_uuid", "currency": "cost_currency"}
"""Dimensions whose name in the API is another than the column's."""


def column_of(name: str) -> str:
    """The dimension that the API calls so."""
    return _COLUMNS.get(name, name)


@dataclass(frozen=True, slots=True)
class Group:
    """One row of the answer."""

    keys: tuple[Any, ...]
    """In the order of the query's names; a bucket of time by its number."""
    totals: Totals
    previous: Totals


@dataclass(frozen=True, slots=True)
class Time:
    """Where the period and the one before it are cut."""

    period: Period
    edges: tuple[datetime, ...]
    labels: tuple[str, ...]
    """The names of the buckets; one that is empty without buckets."""
    previous: Period | None

    def position(self, place: int) -> tuple[int, bool]:
        """The number of a place's bucket, and whether it is in the period before."""
        if self.previous is None:
            return place, False
        return place % len(self.labels), place < len(self.labels)


@dataclass(frozen=True, slots=True)
class Parts:
    """What is answered."""

    total: Group
    shown: Sequence[Group]
    """The rows, in order."""
    rest: Group
    """What the limit has cut off."""
    rest_groups: int
    """How many groups that is."""


def time_of(query: BreakdownQuery) -> Time:
    """Where its period is cut; InvalidField: there are too many buckets, or the period before begins too early."""
    period = query.period
    labels: tuple[str, ...] = ("",)
    edges: tuple[datetime, ...] = ()
    if query.granularity is not None:
        calendar = Calendar(query.granularity, query.zone)
        buckets = _buckets(calendar, period)
        labels, edges = tuple(map(calendar.name, buckets)), _within(period, buckets[1:])
    if not query.is_compared or period.start is None or period.end is None:
        return Time(period, edges, labels, None)
    length = period.end - period.start
    try:
        previous = Period(period.start - length, period.start)
        before = tuple(edge - length for edge in edges)
    except OverflowError:
        raise InvalidField("compare", "The period before would begin before the year 1.") from None
    return Time(Period(previous.start, period.end), (*before, period.start, *edges), labels, previous)


def _within(period: Period, edges: Sequence[datetime]) -> tuple[datetime, ...]:
    """The same number of edges; days as a caller far from UTC wrote them may begin before the period, or end after it."""
    if period.start is None or period.end is None:
        return tuple(edges)
    return tuple(min(max(edge, period.start), period.end) for edge in edges)


def _buckets(calendar: Calendar, period: Period) -> tuple[datetime, ...]:
    try:
        return period_buckets(calendar, period) or ()
    except InvalidField as exc:
        # The calendar speaks of token-stats' parameter.
        field = "group_by" if exc.field == "granularity" else exc.field
        raise InvalidField(
            field, "There are too many buckets of time; group by longer ones, or shorten the range."
        ) from None


def groups_of(query: BreakdownQuery, time: Time, *, limit: int | None = None) -> list[Group]:
    """Every group that has rows in the period, or in the one before; InvalidField where more than `limit` would be read."""
    parts: dict[tuple[Any, ...], tuple[list[Totals], list[Totals]]] = defaultdict(lambda: ([], []))
    for row, values in _read(query, time, limit):
        bucket, is_previous = time.position(row.place)
        keys = tuple(bucket if name in TIME_NAMES else values[name] for name in query.names)
        parts[keys][is_previous].append(row.totals)
    return [Group(keys, sum_of(now), sum_of(before)) for keys, (now, before) in parts.items()]


def _read(query: BreakdownQuery, time: Time, limit: int | None) -> Iterable[tuple[CubeRow, Mapping[str, Any]]]:
    """The sums from the database, each with its dimensions by their names in the API."""
    currencies = query.filters.get("currency")
    # Currencies are stored as they were spelled, so they are compared here.
    names = query.dimensions + (("currency",) if currencies and "currency" not in query.names else ())
    cube_query = CubeQuery(
        dimensions=tuple(map(column_of, names)),
        period=time.period,
        edges=time.edges,
        filters={column_of(name): values for name, values in query.filters.items() if name != "currency"},
        has_histograms=True,
        limit=limit,
    )
    try:
        rows = cube_rows(cube_query, metering_settings.DATABASE_ALIAS)
    except TooManyGroups:
        raise InvalidField(
            "group_by", f"These are more than {limit} groups; shorten the range, or add filters."
        ) from None
    for row in rows:
        values = dict(zip(names, row.keys, strict=True))
        if "currency" in values:
            values["currency"] = currency_name(str(values["currency"]))
        if not currencies or values["currency"] in currencies:
            yield row, values


def together(groups: Sequence[Group]) -> Group:
    """All of them as one."""
    return Group((), sum_of([group.totals for group in groups]), sum_of([group.previous for group in groups]))
