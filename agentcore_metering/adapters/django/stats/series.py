"""The document of `token-stats/`: one grouping of the rows, added up for the summary, for each model and for each bucket.

All of it comes from one SQL statement, so its parts agree while rows arrive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Max, Min

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.rollups.keeping import kept_buckets
from agentcore_metering.adapters.django.stats import shapes
from agentcore_metering.adapters.django.stats.buckets import Calendar, Period, period_buckets
from agentcore_metering.adapters.django.stats.cube import CubeQuery, TooManyGroups, cube_rows
from agentcore_metering.adapters.django.stats.params import StatsQuery
from agentcore_metering.adapters.django.stats.totals import NOTHING, Totals, select_rows, sum_of
from agentcore_metering.core.errors import InvalidField

__all__ = ["token_stats"]

MAX_GROUPS = 100_000
"""Buckets times models times currencies that are read from the database."""
MAX_MODEL_ITEMS = 20_000
"""Items of `series_by_model`, some 10 MB of JSON."""
PLANS = 5
"""How often the buckets of an open period are looked for anew because a row came outside of them."""


class Cell(NamedTuple):
    """One group of rows."""

    bucket: datetime | None
    model: str
    totals: Totals


def token_stats(query: StatsQuery) -> dict[str, Any]:
    """The JSON document for `query`: summary, by_model, series, expected_buckets and, if asked for, series_by_model.

    Raises:
        InvalidField: the series would be too long.
    """
    if query.granularity is None:
        return {**_overview(_cells(query, None)), "series": None, "expected_buckets": None}
    calendar = Calendar(query.granularity, query.zone)
    buckets = period_buckets(calendar, query.period)
    cells = _cells_of_open_period(query, calendar) if buckets is None else _cells(query, buckets)
    document = _overview(cells)
    document["series"] = {"granularity": query.granularity.value, "items": _series(cells, calendar, buckets)}
    document["expected_buckets"] = buckets and [calendar.name(bucket) for bucket in buckets]
    if query.has_series_by_model:
        document["series_by_model"] = _series_by_model(cells, calendar)
    return document


def _cells(query: StatsQuery, buckets: Sequence[datetime] | None) -> list[Cell]:
    """The groups of rows. One in the period but outside of its buckets counts in the first or the last: nothing is lost."""
    return _placed_cells(query, buckets or (None,), tuple(buckets[1:]) if buckets else ())


def _cells_of_open_period(query: StatsQuery, calendar: Calendar) -> list[Cell]:
    """The groups of the buckets that rows lie in. A row may come outside of all that were just found: then these are looked for again."""
    for _ in range(PLANS):
        try:
            buckets = _buckets_with_rows(query, calendar)
            if buckets is None:
                return []
            edges = (*buckets, calendar.following(buckets[-1]))
        except InvalidField:
            raise
        except (OverflowError, ValueError):
            raise InvalidField("tz", "There are rows at the ends of time; give start_date and end_date.") from None
        cells = _placed_cells(query, (None, *buckets, None), edges)
        if all(cell.bucket is not None for cell in cells):
            return cells
    raise InvalidField("granularity", "Rows keep coming in new buckets; give start_date and end_date.")


def _placed_cells(query: StatsQuery, labels: Sequence[datetime | None], edges: tuple[datetime, ...]) -> list[Cell]:
    cube_query = CubeQuery(
        dimensions=("model",),
        period=query.period,
        edges=edges,
        filters={} if query.user_pk is None else {"user_id": [query.user_pk]},
        has_histograms=True,
        limit=MAX_GROUPS,
    )
    try:
        rows = cube_rows(cube_query, metering_settings.DATABASE_ALIAS)
    except TooManyGroups:
        raise InvalidField(
            "granularity", f"This range has more than {MAX_GROUPS} groups of bucket and model; shorten it."
        ) from None
    return [Cell(labels[row.place], row.keys[0], row.totals) for row in rows]


def _buckets_with_rows(query: StatsQuery, calendar: Calendar) -> tuple[datetime, ...] | None:
    """All buckets from the first row's to the last row's; None where there are no rows."""
    rows = select_rows(Period(query.period.start, query.period.end), query.user_pk)
    ends = rows.aggregate(first=Min("created_at"), last=Max("created_at"))
    found = [] if ends["first"] is None else [ends["first"], ends["last"]]
    # Sums outlive the rows that retention deletes.
    kept = kept_buckets(metering_settings.DATABASE_ALIAS, query.user_pk) or ()
    found += [_within(query.period, day) for day in kept if query.period.end is None or day < query.period.end]
    return calendar.between(calendar.floor(min(found)), calendar.floor(max(found))) if found else None


def _within(period: Period, day: datetime) -> datetime:
    return day if period.start is None or period.start < day else period.start


def _overview(cells: Sequence[Cell]) -> dict[str, Any]:
    by_model = _added(cells, lambda cell: cell.model)
    ranked = sorted(by_model.items(), key=lambda item: (-item[1].all_tokens, item[0]))
    return {
        "summary": shapes.overview_totals(sum_of(by_model.values())),
        "by_model": [{"model": model, **shapes.overview_totals(totals)} for model, totals in ranked],
    }


def _series(cells: Sequence[Cell], calendar: Calendar, buckets: Sequence[datetime] | None) -> list[dict[str, Any]]:
    """Each bucket of a closed period, or the ones that have rows."""
    by_bucket = _added(cells, lambda cell: cell.bucket)
    return [
        {"bucket": calendar.name(bucket), **shapes.overview_totals(by_bucket.get(bucket, NOTHING))}
        for bucket in buckets or sorted(by_bucket)
    ]


def _series_by_model(cells: Sequence[Cell], calendar: Calendar) -> list[dict[str, Any]]:
    by_both = _added(cells, lambda cell: (cell.bucket, cell.model))
    if len(by_both) > MAX_MODEL_ITEMS:
        raise InvalidField(
            "use_series",
            f"The series of each model would have {len(by_both)} items, more than {MAX_MODEL_ITEMS}; "
            "use a coarser granularity, a shorter range (start_date, end_date), or leave use_series out.",
        )
    return [
        {"bucket": calendar.name(bucket), "model": model, **shapes.model_totals(by_both[bucket, model])}
        for bucket, model in sorted(by_both)
    ]


def _added(cells: Iterable[Cell], key_of: Callable[[Cell], Any]) -> dict[Any, Totals]:
    parts: dict[Any, list[Totals]] = defaultdict(list)
    for cell in cells:
        parts[key_of(cell)].append(cell.totals)
    return {key: sum_of(totals) for key, totals in parts.items()}
