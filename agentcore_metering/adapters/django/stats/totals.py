"""The value that holds sums over rows, how two of them are added, and what follows from one alone. Where sums come from is `cube`'s.

Unpriced means that a row's `cost` is NULL; a known zero is priced. Amounts of different currencies are never added. How they read in
JSON is `shapes`'.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Context, Decimal
from operator import attrgetter
from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.models.querysets import UsageQuerySet
from agentcore_metering.adapters.django.stats.buckets import Period
from agentcore_metering.constants import DEFAULT_COST_CURRENCY

__all__ = [
    "NOTHING",
    "CurrencyTotal",
    "Totals",
    "currency_name",
    "currency_total",
    "difference",
    "select_rows",
    "sum_of",
]

_EXACT = Context(prec=80)


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """What the priced rows of one currency cost."""

    currency: str
    amount: Decimal
    priced_calls: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over rows. Each row is one attempt, and counts as succeeded, cancelled or failed."""

    calls: int = 0
    logical_calls: int = 0
    """First attempts: each call is counted once, where it began."""
    succeeded_calls: int = 0
    cancelled_calls: int = 0
    streams: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    all_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    timed_calls: int = 0
    """Succeeded rows whose start is known; those that the latency is averaged over."""
    timed_tokens: int = 0
    """Their completion tokens."""
    timed_us: int = 0
    first_chunk_calls: int = 0
    """Those of them that streamed and had a first chunk."""
    first_chunk_us: int = 0
    latencies: tuple[int, ...] = ()
    """Timed rows by the bounds of `percentiles`; empty where they were not asked for, or there are none."""
    first_chunk_delays: tuple[int, ...] = ()
    costs: tuple[CurrencyTotal, ...] = ()
    """By currency, in alphabetical order; only currencies that have a priced row."""

    @property
    def failed_calls(self) -> int:
        """Rows that neither succeeded nor were cancelled; interrupted ones too."""
        return self.calls - self.succeeded_calls - self.cancelled_calls

    @property
    def priced_calls(self) -> int:
        """Rows whose cost is known, in whichever currency."""
        return sum(cost.priced_calls for cost in self.costs)

    @property
    def main_cost(self) -> CurrencyTotal:
        """The figure for readers who know one currency: that of the most priced rows, the first by name among equals."""
        if not self.costs:
            return CurrencyTotal(DEFAULT_COST_CURRENCY, Decimal(0), 0)
        return min(self.costs, key=lambda cost: (-cost.priced_calls, cost.currency))

    @property
    def timed_duration(self) -> timedelta:
        """How long the timed rows took together."""
        return timedelta(microseconds=self.timed_us)

    @property
    def first_chunk_delay(self) -> timedelta:
        """How long their first chunks took together."""
        return timedelta(microseconds=self.first_chunk_us)

    def __add__(self, other: Totals) -> Totals:
        return sum_of((self, other))


_ADDED = tuple(field.name for field in fields(Totals) if field.name not in ("latencies", "first_chunk_delays", "costs"))
_numbers_of = attrgetter(*_ADDED)

NOTHING = Totals()


def sum_of(parts: Collection[Totals]) -> Totals:
    """All of them together; `NOTHING` of none."""
    if len(parts) < 2:
        return next(iter(parts), NOTHING)
    numbers = map(sum, zip(*map(_numbers_of, parts), strict=True))
    return Totals(
        **dict(zip(_ADDED, numbers, strict=True)),
        latencies=_add_histograms([part.latencies for part in parts if part.latencies]),
        first_chunk_delays=_add_histograms([part.first_chunk_delays for part in parts if part.first_chunk_delays]),
        costs=_add_costs(cost for part in parts for cost in part.costs),
    )


def select_rows(period: Period, user_pk: Any = None) -> UsageQuerySet:
    """The rows of a period, of one user or, by None, of everybody."""
    rows: UsageQuerySet = LLMUsage.objects.using(metering_settings.DATABASE_ALIAS).between(period.start, period.end)
    return rows if user_pk is None else rows.for_user(user_pk)


def difference(whole: Totals, part: Totals) -> Totals:
    """What is left of `whole` without rows that it has too."""
    numbers = map(operator.sub, _numbers_of(whole), _numbers_of(part))
    return Totals(
        **dict(zip(_ADDED, numbers, strict=True)),
        latencies=_left_of_histogram(whole.latencies, part.latencies),
        first_chunk_delays=_left_of_histogram(whole.first_chunk_delays, part.first_chunk_delays),
        costs=tuple(_left_of_costs(whole.costs, {cost.currency: cost for cost in part.costs})),
    )


def currency_name(stored: str) -> str:
    """How a currency is called whose rows spell it as stored."""
    return stored.strip().upper() or DEFAULT_COST_CURRENCY


def currency_total(stored_currency: str, pico_units: int, priced_calls: int) -> CurrencyTotal:
    """The cost of rows whose currency is spelled as stored; `pico_units` of 1e-12."""
    return CurrencyTotal(currency_name(stored_currency), Decimal(pico_units).scaleb(-12, context=_EXACT), priced_calls)


def _add_histograms(histograms: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return histograms[0] if len(histograms) == 1 else tuple(map(sum, zip(*histograms, strict=True)))


def _left_of_histogram(whole: tuple[int, ...], part: tuple[int, ...]) -> tuple[int, ...]:
    left = tuple(map(operator.sub, whole, part)) if part else whole
    return left if any(left) else ()


def _left_of_costs(whole: Iterable[CurrencyTotal], part: Mapping[str, CurrencyTotal]) -> Iterator[CurrencyTotal]:
    for cost in whole:
        taken = part.get(cost.currency, CurrencyTotal(cost.currency, Decimal(0), 0))
        if cost.priced_calls > taken.priced_calls:
            amount = _EXACT.subtract(cost.amount, taken.amount)
            yield CurrencyTotal(cost.currency, amount, cost.priced_calls - taken.priced_calls)


def _add_costs(costs: Iterable[CurrencyTotal]) -> tuple[CurrencyTotal, ...]:
    by_currency: dict[str, CurrencyTotal] = {}
    for cost in costs:
        known = by_currency.get(cost.currency)
        by_currency[cost.currency] = cost if known is None else _add_same_currency(known, cost)
    return tuple(by_currency[currency] for currency in sorted(by_currency))


def _add_same_currency(one: CurrencyTotal, other: CurrencyTotal) -> CurrencyTotal:
    # The default context rounds at 28 digits.
    amount = _EXACT.add(one.amount, other.amount)
    return CurrencyTotal(one.currency, amount, one.priced_calls + other.priced_calls)
