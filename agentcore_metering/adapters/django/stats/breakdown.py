"""The document of `usage-breakdown/`: one grouping of the rows, ranked, cut off, and what was cut off as one row.

All of it, the period before included, comes from one SQL statement, so rows and `other` are exactly the total.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.stats import shapes
from agentcore_metering.adapters.django.stats.breakdown_query import TIME_NAMES, BreakdownQuery
from agentcore_metering.adapters.django.stats.buckets import Calendar, Period, period_buckets
from agentcore_metering.adapters.django.stats.cube import CubeQuery, CubeRow, TooManyGroups, cube_rows
from agentcore_metering.adapters.django.stats.totals import Totals, sum_of
from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.errors import InvalidField

__all__ = ["MAX_GROUPS", "MAX_ROWS", "usage_breakdown"]

MAX_ROWS = 2_000
"""Rows of an answer without a limit."""
MAX_GROUPS = 50_000
"""Groups that are read from the database, those of the period before included."""

_COLUMNS = {"user": "user_id", "node": "node_name", "config": "config_uuid", "currency": "cost_currency"}
"""Dimensions whose name in the API is another than the column's."""


@dataclass(frozen=True, slots=True)
class _Group:
    """One row of the answer."""

    keys: tuple[Any, ...]
    """In the order of the query's names; a bucket of time by its number."""
    totals: Totals
    previous: Totals


@dataclass(frozen=True, slots=True)
class _Time:
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


def usage_breakdown(query: BreakdownQuery) -> dict[str, Any]:
    """The JSON document for `query`: total, rows in order, and `other`, which is what the limit has cut off.

    Raises:
        InvalidField: there are too many buckets, groups or rows.
    """
    time = _time_of(query)
    groups = _groups(query, time)
    total = _together(groups)
    currency = total.totals.main_cost.currency if query.order == "cost" else None
    ranked = _ranked(groups, query, currency)
    if query.limit is None and len(ranked) > MAX_ROWS:
        raise InvalidField(
            "limit", f"This has {len(ranked)} rows, more than {MAX_ROWS}; give a limit, or group by less."
        )
    shown, rest = ranked[: query.limit], ranked[query.limit :] if query.limit else []
    return {
        "group_by": list(query.names),
        "order_currency": currency,
        "previous_period": _period_shape(time.previous),
        "total": _figures(total, query),
        "rows": [{"keys": _keys(group, query, time), **_figures(group, query)} for group in shown],
        "other": {"groups": len(rest), **_figures(_together(rest), query)} if rest else None,
    }


def _time_of(query: BreakdownQuery) -> _Time:
    period = query.period
    labels: tuple[str, ...] = ("",)
    edges: tuple[datetime, ...] = ()
    if query.granularity is not None:
        calendar = Calendar(query.granularity, query.zone)
        buckets = _buckets(calendar, period)
        labels, edges = tuple(map(calendar.name, buckets)), _within(period, buckets[1:])
    if not query.is_compared or period.start is None or period.end is None:
        return _Time(period, edges, labels, None)
    length = period.end - period.start
    try:
        previous = Period(period.start - length, period.start)
        before = tuple(edge - length for edge in edges)
    except OverflowError:
        raise InvalidField("compare", "The period before would begin before the year 1.") from None
    return _Time(Period(previous.start, period.end), (*before, period.start, *edges), labels, previous)


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


def _groups(query: BreakdownQuery, time: _Time) -> list[_Group]:
    """Every group that has rows in the period, or in the one before."""
    parts: dict[tuple[Any, ...], tuple[list[Totals], list[Totals]]] = defaultdict(lambda: ([], []))
    for row, values in _read(query, time):
        bucket, is_previous = time.position(row.place)
        keys = tuple(bucket if name in TIME_NAMES else values[name] for name in query.names)
        parts[keys][is_previous].append(row.totals)
    return [_Group(keys, sum_of(now), sum_of(before)) for keys, (now, before) in parts.items()]


def _read(query: BreakdownQuery, time: _Time) -> Iterable[tuple[CubeRow, Mapping[str, Any]]]:
    """The sums from the database, each with its dimensions by their names in the API."""
    currencies = query.filters.get("currency")
    # Currencies are stored as they were spelled, so they are compared here.
    names = query.dimensions + (("currency",) if currencies and "currency" not in query.names else ())
    cube_query = CubeQuery(
        dimensions=tuple(_COLUMNS.get(name, name) for name in names),
        period=time.period,
        edges=time.edges,
        filters={_COLUMNS.get(name, name): values for name, values in query.filters.items() if name != "currency"},
        has_histograms=True,
        limit=MAX_GROUPS,
    )
    try:
        rows = cube_rows(cube_query, metering_settings.DATABASE_ALIAS)
    except TooManyGroups:
        raise InvalidField(
            "group_by", f"These are more than {MAX_GROUPS} groups; shorten the range, or add filters."
        ) from None
    for row in rows:
        values = dict(zip(names, row.keys, strict=True))
        if "currency" in values:
            values["currency"] = str(values["currency"]).strip().upper() or DEFAULT_COST_CURRENCY
        if not currencies or values["currency"] in currencies:
            yield row, values


def _together(groups: Sequence[_Group]) -> _Group:
    return _Group((), sum_of([group.totals for group in groups]), sum_of([group.previous for group in groups]))


def _ranked(groups: Sequence[_Group], query: BreakdownQuery, currency: str | None) -> list[_Group]:
    """In the order that is asked for; equal ones by their keys, and those without the figure last."""
    by_keys = sorted(groups, key=lambda group: [_sortable(key) for key in group.keys])
    if query.order is None and query.granularity is not None:
        place = next(place for place, name in enumerate(query.names) if name in TIME_NAMES)
        return sorted(by_keys, key=lambda group: (group.keys[place], -group.totals.calls))
    figure_of = _FIGURES[query.order or "calls"]
    figures = [(figure_of(group.totals, currency), group) for group in by_keys]
    known = [(figure, group) for figure, group in figures if figure is not None]
    # A reversed sort keeps the order of equal ones too.
    known.sort(key=lambda item: item[0], reverse=query.is_descending)
    return [group for _, group in known] + [group for figure, group in figures if figure is None]


def _sortable(key: Any) -> tuple[bool, int, str]:
    return (key is None, key, "") if isinstance(key, int) else (key is None, 0, str(key))


def _cost_in(totals: Totals, currency: str | None) -> Decimal | None:
    return next((cost.amount for cost in totals.costs if cost.currency == currency), None)


def _latency(totals: Totals, _currency: str | None) -> float | None:
    return totals.timed_us / totals.timed_calls if totals.timed_calls else None


_FIGURES: Mapping[str, Callable[[Totals, str | None], Any]] = {
    "calls": lambda totals, _: totals.calls,
    "cost": _cost_in,
    "failed": lambda totals, _: totals.failed_calls,
    "latency": _latency,
    "tokens": lambda totals, _: totals.all_tokens,
}


def _figures(group: _Group, query: BreakdownQuery) -> dict[str, Any]:
    previous = shapes.overview_totals(group.previous) if query.is_compared else None
    return {**shapes.overview_totals(group.totals), "previous": previous}


def _keys(group: _Group, query: BreakdownQuery, time: _Time) -> dict[str, str | None]:
    return {
        name: time.labels[key] if name in TIME_NAMES else None if key is None else str(key)
        for name, key in zip(query.names, group.keys, strict=True)
    }


def _period_shape(period: Period | None) -> dict[str, str] | None:
    if period is None or period.start is None or period.end is None:
        return None
    return {"start": period.start.isoformat(), "end": period.end.isoformat()}
