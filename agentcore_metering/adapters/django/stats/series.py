"""The document of `token-stats/`: one grouping of the rows, added up for the summary, for each model and for each bucket.

Everything but the numbers of logical calls comes from one SQL statement, so its parts agree while rows arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from agentcore_metering.adapters.django.models.querysets import UsageQuerySet
from agentcore_metering.adapters.django.stats import shapes
from agentcore_metering.adapters.django.stats.buckets import (
    Granularity,
    bucket_name,
    bucket_of,
    period_buckets,
    require_few,
)
from agentcore_metering.adapters.django.stats.params import StatsQuery
from agentcore_metering.adapters.django.stats.totals import (
    NOTHING,
    Totals,
    count_logical_calls,
    grouped_totals,
    select_rows,
)
from agentcore_metering.core.errors import InvalidField

__all__ = ["token_stats"]

MAX_GROUPS = 100_000
"""Buckets times models times currencies that are read from the database."""
MAX_MODEL_ITEMS = 20_000
"""Items of `series_by_model`, some 10 MB of JSON."""


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
    rows = select_rows(query.period, query.user_pk)
    if query.granularity is None:
        return {**_overview(rows, _cells(rows, query)), "series": None, "expected_buckets": None}
    granularity = query.granularity
    buckets = period_buckets(granularity, query.period)
    rows = rows.annotate(bucket=bucket_of(granularity, query.period, buckets))
    cells = _cells(rows, query)
    document = _overview(rows, cells)
    document["series"] = {"granularity": granularity.value, "items": _series(rows, cells, granularity, buckets)}
    document["expected_buckets"] = buckets and [bucket_name(granularity, bucket) for bucket in buckets]
    if query.has_series_by_model:
        document["series_by_model"] = _series_by_model(cells, granularity)
    return document


def _cells(rows: UsageQuerySet, query: StatsQuery) -> list[Cell]:
    if query.granularity is None:
        return [Cell(None, model, totals) for (model,), totals in grouped_totals(rows, ["model"])]
    keys = ["bucket", "model"]
    groups = grouped_totals(rows, keys, has_latency=query.has_series_by_model, limit=MAX_GROUPS + 1)
    if len(groups) > MAX_GROUPS:
        raise InvalidField(
            "granularity", f"This range has more than {MAX_GROUPS} groups of bucket and model; shorten it."
        )
    return [Cell(bucket, model, totals) for (bucket, model), totals in groups]


def _overview(rows: UsageQuerySet, cells: Sequence[Cell]) -> dict[str, Any]:
    by_model = _added(cells, lambda cell: cell.model)
    logical_calls = count_logical_calls(rows)[None]
    logical_calls_by_model = count_logical_calls(rows, "model")
    ranked = sorted(by_model.items(), key=lambda item: (-item[1].all_tokens, item[0]))
    return {
        "summary": shapes.totals_with_calls(reduce(add, by_model.values(), NOTHING), logical_calls),
        "by_model": [
            {"model": model, **shapes.totals_with_calls(totals, logical_calls_by_model.get(model, 0))}
            for model, totals in ranked
        ],
    }


def _series(
    rows: UsageQuerySet, cells: Sequence[Cell], granularity: Granularity, buckets: Sequence[datetime] | None
) -> list[dict[str, Any]]:
    """Each bucket of a closed period, or the ones that have rows."""
    by_bucket = _added(cells, lambda cell: cell.bucket)
    require_few(granularity, len(by_bucket))
    logical_calls = count_logical_calls(rows, "bucket")
    return [
        {
            "bucket": bucket_name(granularity, bucket),
            **shapes.totals_with_calls(by_bucket.get(bucket, NOTHING), logical_calls.get(bucket, 0)),
        }
        for bucket in buckets or sorted(by_bucket)
    ]


def _series_by_model(cells: Sequence[Cell], granularity: Granularity) -> list[dict[str, Any]]:
    by_both = _added(cells, lambda cell: (cell.bucket, cell.model))
    if len(by_both) > MAX_MODEL_ITEMS:
        raise InvalidField(
            "use_series",
            f"The series of each model would have {len(by_both)} items, more than {MAX_MODEL_ITEMS}; "
            "use a coarser granularity, a shorter range (start_date, end_date), or leave use_series out.",
        )
    return [
        {"bucket": bucket_name(granularity, bucket), "model": model, **shapes.model_totals(by_both[bucket, model])}
        for bucket, model in sorted(by_both)
    ]


def _added(cells: Iterable[Cell], key_of: Callable[[Cell], Any]) -> dict[Any, Totals]:
    sums: dict[Any, Totals] = {}
    for cell in cells:
        key = key_of(cell)
        known = sums.get(key)
        sums[key] = cell.totals if known is None else known + cell.totals
    return sums
