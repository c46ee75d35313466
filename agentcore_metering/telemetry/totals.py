"""Owns what a call used and cost as a whole: the sums over its attempts. What a span or a metric makes of them is `attributes`' and `metrics`'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal

from agentcore_metering.core.money import EXACT
from agentcore_metering.core.types import (
    AttemptRecord,
    Cost,
    CostSource,
    CostStatus,
    Usage,
    UsageSource,
)
from agentcore_metering.telemetry import semconv

__all__ = ["CallTotals", "cost_source"]

_COST_STATUS_ORDER = (CostStatus.UNPRICED, CostStatus.PRICED, CostStatus.FREE)
"""The first one that an attempt has is the call's: a sum with an unpriced part is not complete."""

_COUNTS = tuple(item.name for item in fields(Usage) if item.name.endswith("_tokens"))


@dataclass(frozen=True, slots=True)
class CallTotals:
    """A call's usage and cost: the sums over its attempts, of which only known figures take part."""

    usage: Usage | None = None
    """None when no attempt's usage is known; that of the only one where it is one. Its source is `estimated` as soon as one part is."""
    amounts: Mapping[str, Decimal] = field(default_factory=dict)
    """Exact cost by currency, in alphabetical order; empty when no attempt's cost is known."""
    cost_source: str | None = None
    """`gen_ai.usage.cost.source`; None without a cost."""
    cost_status: CostStatus = CostStatus.NO_USAGE
    price_version: str | None = None
    """Of the last attempt that a price was applied to."""

    @classmethod
    def of(cls, attempts: Iterable[AttemptRecord]) -> CallTotals:
        """The totals of `attempts`."""
        attempts = tuple(attempts)
        costs = tuple(attempt.cost for attempt in attempts if attempt.cost is not None)
        statuses = {attempt.cost_status for attempt in attempts}
        versions = [cost.price.version for cost in costs if cost.price is not None]
        return cls(
            usage=_usage_total(attempt.facts.usage for attempt in attempts),
            amounts=_amounts(costs),
            cost_source=_joint_cost_source(costs),
            cost_status=next((status for status in _COST_STATUS_ORDER if status in statuses), CostStatus.NO_USAGE),
            price_version=versions[-1] if versions else None,
        )


def _usage_total(usages: Iterable[Usage]) -> Usage | None:
    known = tuple(usage for usage in usages if usage.source is not UsageSource.NONE)
    if len(known) < 2:  # most calls have one attempt
        return known[0] if known else None
    is_estimated = any(usage.source is UsageSource.ESTIMATED for usage in known)
    counts = {name: sum(getattr(usage, name) for usage in known) for name in _COUNTS}
    return Usage(**counts, source=UsageSource.ESTIMATED if is_estimated else UsageSource.PROVIDER)


def _amounts(costs: Iterable[Cost]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for cost in sorted(costs, key=lambda cost: cost.currency):
        totals[cost.currency] = EXACT.add(totals.get(cost.currency, Decimal(0)), cost.amount)
    return totals


def _joint_cost_source(costs: tuple[Cost, ...]) -> str | None:
    if not costs:
        return None
    sources = {cost_source(cost) for cost in costs}
    return sources.pop() if len(sources) == 1 else semconv.COST_SOURCE_LOCAL


def cost_source(cost: Cost) -> str:
    """`gen_ai.usage.cost.source`: the provider's own figure, or one that was calculated on this side."""
    return semconv.COST_SOURCE_PROVIDER if cost.source is CostSource.PROVIDER else semconv.COST_SOURCE_LOCAL
