"""The document of `usage-breakdown/`: one grouping of the rows, ranked, cut off, and what was cut off as one row.

All of it, the period before included, is read at one moment, so rows and `other` are exactly the total. By users, who may be many, the
database ranks (`breakdown_top`); everything else is one statement, and ranked here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from agentcore_metering.adapters.django.stats import shapes
from agentcore_metering.adapters.django.stats.breakdown_parts import Group, Parts, Time, groups_of, time_of, together
from agentcore_metering.adapters.django.stats.breakdown_query import TIME_NAMES, BreakdownQuery
from agentcore_metering.adapters.django.stats.breakdown_top import is_for_database, top_parts
from agentcore_metering.adapters.django.stats.buckets import Period
from agentcore_metering.adapters.django.stats.totals import Totals
from agentcore_metering.core.errors import InvalidField

__all__ = ["MAX_GROUPS", "MAX_ROWS", "usage_breakdown"]

MAX_ROWS = 2_000
"""Rows of an answer without a limit."""
MAX_GROUPS = 50_000
"""Groups that are read from the database, those of the period before included."""


def usage_breakdown(query: BreakdownQuery) -> dict[str, Any]:
    """The JSON document for `query`: total, rows in order, and `other`, which is what the limit has cut off.

    Raises:
        InvalidField: there are too many buckets, groups or rows.
    """
    time = time_of(query)
    parts = top_parts(query, time) if is_for_database(query) else _parts(query, time)
    return {
        "group_by": list(query.names),
        "order_currency": parts.total.totals.main_cost.currency if query.order == "cost" else None,
        "previous_period": _period_shape(time.previous),
        "total": _figures(parts.total, query),
        "rows": [{"keys": _keys(group, query, time), **_figures(group, query)} for group in parts.shown],
        "other": {"groups": parts.rest_groups, **_figures(parts.rest, query)} if parts.rest_groups else None,
    }


def _parts(query: BreakdownQuery, time: Time) -> Parts:
    """All of one SQL statement, ranked here."""
    groups = groups_of(query, time, limit=MAX_GROUPS)
    total = together(groups)
    ranked = _ranked(groups, query, total.totals.main_cost.currency)
    if query.limit is None and len(ranked) > MAX_ROWS:
        raise InvalidField(
            "limit", f"This has {len(ranked)} rows, more than {MAX_ROWS}; give a limit, or group by less."
        )
    shown, rest = ranked[: query.limit], ranked[query.limit :] if query.limit else []
    return Parts(total, shown, together(rest), len(rest))


def _ranked(groups: Sequence[Group], query: BreakdownQuery, currency: str | None) -> list[Group]:
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


def _figures(group: Group, query: BreakdownQuery) -> dict[str, Any]:
    previous = shapes.overview_totals(group.previous) if query.is_compared else None
    return {**shapes.overview_totals(group.totals), "previous": previous}


def _keys(group: Group, query: BreakdownQuery, time: Time) -> dict[str, str | None]:
    return {
        name: time.labels[key] if name in TIME_NAMES else None if key is None else str(key)
        for name, key in zip(query.names, group.keys, strict=True)
    }


def _period_shape(period: Period | None) -> dict[str, str] | None:
    if period is None or period.start is None or period.end is None:
        return None
    return {"start": period.start.isoformat(), "end": period.end.isoformat()}
