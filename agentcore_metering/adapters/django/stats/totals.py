"""Rows -> sums: the SQL aggregates, the value that holds them, and how two of them are added.

Unpriced means that a row's `cost` is NULL; a known zero is priced. Amounts of different currencies are never added. Which groups are
asked for is `series`, how they read in JSON is `shapes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Context, Decimal
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, Sum, Value
from django.db.models.functions import Coalesce, Greatest

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.fields import ExactSum
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.models.querysets import UsageQuerySet
from agentcore_metering.adapters.django.stats.buckets import Period
from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.types import Status

__all__ = ["NOTHING", "CurrencyTotal", "Totals", "count_logical_calls", "grouped_totals", "select_rows"]

# A row of code that knows the older schema has no status; there `success` decides.
SUCCEEDED = Q(status=Status.SUCCEEDED.value) | Q(status__isnull=True, success=True)
CANCELLED = Q(status=Status.CANCELLED.value)
TIMED = SUCCEEDED & Q(started_at__isnull=False)
STREAMED = TIMED & Q(is_streaming=True, first_chunk_at__isnull=False)

_EXACT = Context(prec=80)
_NO_TIME = timedelta(0)


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
    succeeded_calls: int = 0
    cancelled_calls: int = 0
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
    timed_duration: timedelta = _NO_TIME
    streamed_calls: int = 0
    """Those of them that streamed and had a first chunk."""
    first_chunk_delay: timedelta = _NO_TIME
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

    def __add__(self, other: Totals) -> Totals:
        sums = {name: getattr(self, name) + getattr(other, name) for name in _ADDED}
        return Totals(**sums, costs=_add_costs((*self.costs, *other.costs)))


_ADDED = tuple(field.name for field in fields(Totals) if field.name != "costs")

NOTHING = Totals()


def select_rows(period: Period, user_pk: Any = None) -> UsageQuerySet:
    """The rows of a period, of one user or, by None, of everybody."""
    rows: UsageQuerySet = LLMUsage.objects.using(metering_settings.DATABASE_ALIAS).between(period.start, period.end)
    return rows if user_pk is None else rows.for_user(user_pk)


def grouped_totals(
    rows: UsageQuerySet, keys: Sequence[str], *, has_latency: bool = False, limit: int | None = None
) -> list[tuple[tuple[Any, ...], Totals]]:
    """The totals of each group of `keys`; one query. A group comes once for each currency in it: add them.

    With a `limit`, at most that many.
    """
    aggregates = {**_SUMS, **_LATENCY_SUMS} if has_latency else _SUMS
    groups = rows.values(*keys, "cost_currency").annotate(**aggregates).order_by()
    return [(tuple(group[key] for key in keys), _totals(group)) for group in groups[:limit]]


def count_logical_calls(rows: UsageQuerySet, key: str | None = None) -> dict[Any, int]:
    """Calls, whose attempts are rows, by the value of `key`; without one, under None. One query.

    A row without a call id is a call of its own. A call whose attempts lie in two groups counts in both.
    """
    if key is None:
        return {None: rows.aggregate(logical=_LOGICAL_CALLS)["logical"]}
    return {group[key]: group["logical"] for group in rows.values(key).annotate(logical=_LOGICAL_CALLS).order_by()}


_LOGICAL_CALLS = Count("call_id", distinct=True) + Count("pk", filter=Q(call_id__isnull=True))


def _span(until: Any) -> Any:
    """The time from a row's start, never negative: two clocks may disagree."""
    span = ExpressionWrapper(until - F("started_at"), output_field=DurationField())
    return Greatest(span, Value(_NO_TIME, output_field=DurationField()))


_SUMS: dict[str, Any] = {
    "sum_calls": Count("pk"),
    "sum_succeeded_calls": Count("pk", filter=SUCCEEDED),
    "sum_cancelled_calls": Count("pk", filter=CANCELLED),
    "sum_prompt_tokens": Sum("prompt_tokens"),
    "sum_completion_tokens": Sum("completion_tokens"),
    "sum_all_tokens": Sum("total_tokens"),
    "sum_cached_tokens": Sum("cached_tokens"),
    "sum_cache_write_tokens": Sum("cache_write_tokens"),
    "sum_reasoning_tokens": Sum("reasoning_tokens"),
    "cost_amount": ExactSum("cost"),
    "cost_calls": Count("cost"),
}

_LATENCY_SUMS: dict[str, Any] = {
    "sum_timed_calls": Count("pk", filter=TIMED),
    "sum_timed_tokens": Sum("completion_tokens", filter=TIMED),
    "sum_timed_duration": Sum(_span(Coalesce(F("ended_at"), F("created_at"))), filter=TIMED),
    "sum_streamed_calls": Count("pk", filter=STREAMED),
    "sum_first_chunk_delay": Sum(_span(F("first_chunk_at")), filter=STREAMED),
}


def _totals(group: dict[str, Any]) -> Totals:
    # A sum over no rows is NULL: the field's own default stands.
    sums = {name: group[f"sum_{name}"] for name in _ADDED if group.get(f"sum_{name}") is not None}
    if not group["cost_calls"]:
        return Totals(**sums)
    cost = CurrencyTotal(_currency(group["cost_currency"]), group["cost_amount"], group["cost_calls"])
    return Totals(**sums, costs=(cost,))


def _currency(stored: str) -> str:
    return stored.strip().upper() or DEFAULT_COST_CURRENCY


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
