"""What the figures have to be: the rows added up one by one in Python, and how the answers are compared with that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.models.rollup import HISTOGRAM_BOUNDS_US, HISTOGRAM_SIZE
from agentcore_metering.adapters.django.stats.buckets import Period
from agentcore_metering.adapters.django.stats.cube import CubeQuery, cube_rows
from agentcore_metering.adapters.django.stats.totals import CurrencyTotal, Totals

Key = tuple[int, tuple[Any, ...]]


def outcome_of(row: LLMUsage) -> str:
    return row.status or ("succeeded" if row.success else "failed")


DIMENSIONS: dict[str, Callable[[LLMUsage], Any]] = {
    "outcome": outcome_of,
    "is_priced": lambda row: row.cost is not None,
}


def answer(query: CubeQuery, using: str = "default") -> dict[Key, Totals]:
    """What is read."""
    rows = cube_rows(query, using)
    found = {(row.place, row.keys): row.totals for row in rows}
    assert len(found) == len(rows), "a group came twice"
    return found


def expected(query: CubeQuery) -> dict[Key, Totals]:
    """What the rows say."""
    groups: dict[Key, list[LLMUsage]] = defaultdict(list)
    for row in LLMUsage.objects.all():
        if _is_in(query.period, row.created_at) and all(
            _value(row, name) in query.filters[name] for name in query.filters
        ):
            place = sum(edge <= row.created_at for edge in query.edges)
            groups[place, tuple(_value(row, name) for name in query.dimensions)].append(row)
    return {key: _totals(rows, has_histograms=query.has_histograms) for key, rows in groups.items()}


def _value(row: LLMUsage, name: str) -> Any:
    return DIMENSIONS[name](row) if name in DIMENSIONS else getattr(row, name)


def _is_in(period: Period, moment: datetime) -> bool:
    return (period.start is None or period.start <= moment) and (period.end is None or moment < period.end)


def _totals(rows: Sequence[LLMUsage], *, has_histograms: bool) -> Totals:
    timed = [row for row in rows if outcome_of(row) == "succeeded" and row.started_at]
    streamed = [row for row in timed if row.is_streaming and row.first_chunk_at]
    latencies = [_us(row.started_at, row.ended_at or row.created_at) for row in timed]
    delays = [_us(row.started_at, row.first_chunk_at) for row in streamed]
    return Totals(
        calls=len(rows),
        logical_calls=sum(row.attempt == 1 for row in rows),
        succeeded_calls=sum(outcome_of(row) == "succeeded" for row in rows),
        cancelled_calls=sum(outcome_of(row) == "cancelled" for row in rows),
        streams=sum(row.is_streaming for row in rows),
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        completion_tokens=sum(row.completion_tokens for row in rows),
        all_tokens=sum(row.total_tokens for row in rows),
        cached_tokens=sum(row.cached_tokens for row in rows),
        cache_write_tokens=sum(row.cache_write_tokens for row in rows),
        reasoning_tokens=sum(row.reasoning_tokens for row in rows),
        timed_calls=len(timed),
        timed_tokens=sum(row.completion_tokens for row in timed),
        timed_us=sum(latencies),
        first_chunk_calls=len(streamed),
        first_chunk_us=sum(delays),
        latencies=_histogram(latencies) if has_histograms else (),
        first_chunk_delays=_histogram(delays) if has_histograms else (),
        costs=_costs(rows),
    )


def _us(start: datetime | None, end: datetime | None) -> int:
    assert start is not None
    assert end is not None
    return max(0, (end - start) // timedelta(microseconds=1))


def _histogram(values: Sequence[int]) -> tuple[int, ...]:
    counts = [0] * HISTOGRAM_SIZE
    for value in values:
        counts[sum(bound < value for bound in HISTOGRAM_BOUNDS_US)] += 1
    return tuple(counts) if values else ()


def _costs(rows: Sequence[LLMUsage]) -> tuple[CurrencyTotal, ...]:
    amounts: dict[str, list[Decimal]] = defaultdict(list)
    for row in rows:
        if row.cost is not None:
            amounts[row.cost_currency.strip().upper() or "USD"].append(row.cost)
    return tuple(
        CurrencyTotal(currency, sum(amounts[currency], Decimal(0)), len(amounts[currency]))
        for currency in sorted(amounts)
    )
