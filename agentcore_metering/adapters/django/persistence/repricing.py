"""Owns pricing past rows anew, batch by batch, each change with its trail. Which rows is `selection`'s to say.

Only our own figures are touched unless it is asked for more. Doing it twice changes nothing the second time, so a run that was
stopped is resumed by starting it again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models.functions import Now

from agentcore_metering.adapters.django.models import LLMCostChange, LLMUsage
from agentcore_metering.adapters.django.persistence.priced_rows import (
    facts_of,
    price_snapshot,
    target_of,
)
from agentcore_metering.adapters.django.persistence.selection import Selection
from agentcore_metering.core.money import EXACT
from agentcore_metering.core.ports import PriceSource
from agentcore_metering.core.pricing import price_attempt
from agentcore_metering.core.types import Cost, CostSource, CostStatus

__all__ = ["Plan", "RepriceSummary", "reprice"]


@dataclass(slots=True)
class RepriceSummary:
    """What became of the rows so far."""

    counts: Counter[str] = field(default_factory=Counter)
    """Rows by outcome: `changed`, `unchanged`, `reported` (a provider's figure, left alone), `without_price` (nothing prices it now)."""
    before: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    """Known costs by currency."""
    after: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    reached: datetime | None = None
    """Everything until then is done."""

    def note(self, outcome: str, row: LLMUsage, cost: Cost | None) -> None:
        """Count one row; `cost` is its new one, None where it keeps what it has."""
        self.counts[outcome] += 1
        if row.cost is not None:
            _add(self.before, row.cost_currency, row.cost)
        if cost is not None:
            _add(self.after, cost.currency, cost.amount)
        elif row.cost is not None:
            _add(self.after, row.cost_currency, row.cost)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to price anew."""

    reason: str
    """Kept with each change."""
    includes_reported: bool = False
    """Whether a cost that the provider reported gives way too."""
    is_dry_run: bool = False


def reprice(
    prices: PriceSource,
    selection: Selection,
    plan: Plan,
    using: str,
    on_batch: Callable[[RepriceSummary], None] = lambda summary: None,
) -> RepriceSummary:
    """Price the rows anew by the prices in force when each was sent, and say what that changed.

    A row that has a cost and no price now keeps its cost. Side effects, none in a dry run: the rows, a `LLMCostChange` for each that
    changed, both in one transaction for each batch.
    """
    summary = RepriceSummary()
    batches = selection.batches(using, is_locking=not plan.is_dry_run)
    while True:
        with transaction.atomic(using=using):
            batch = next(batches, None)
            if batch is None:
                return summary
            changes = [change for row in batch if (change := _change(row, prices, plan, summary))]
            if not plan.is_dry_run:
                _write(changes, using, plan.reason)
        summary.reached = batch[-1].created_at
        on_batch(summary)


def _change(
    row: LLMUsage, prices: PriceSource, plan: Plan, summary: RepriceSummary
) -> tuple[LLMUsage, Cost, CostStatus] | None:
    if row.cost_source == CostSource.PROVIDER and not plan.includes_reported:
        summary.note("reported", row, None)
        return None
    cost, status = price_attempt(target_of(row), facts_of(row), prices, row.started_at or row.created_at)
    if cost is None:
        summary.note("without_price" if status is CostStatus.UNPRICED else "unchanged", row, None)
        return None
    if (row.cost, row.cost_currency, row.cost_source) == (
        cost.amount,
        cost.currency,
        cost.source,
    ) and row.price_snapshot:
        summary.note("unchanged", row, None)
        return None
    summary.note("changed", row, cost)
    return row, cost, status


def _write(changes: list[tuple[LLMUsage, Cost, CostStatus]], using: str, reason: str) -> None:
    LLMCostChange.objects.using(using).bulk_create(_trail(row, cost, reason) for row, cost, _status in changes)
    for row, cost, status in changes:
        # One by one: Django takes longer to put a single statement for all of them together.
        LLMUsage.objects.using(using).filter(pk=row.pk).update(
            cost=cost.amount,
            cost_currency=cost.currency,
            cost_source=cost.source.value,
            cost_status=status.value,
            computed_cost=None,
            price_snapshot=price_snapshot(cost),
            # What is summed up from rows finds those that changed late by when they were recorded.
            recorded_at=Now(),
        )


def _trail(row: LLMUsage, cost: Cost, reason: str) -> LLMCostChange:
    return LLMCostChange(
        usage_id=row.id,
        old_amount=row.cost,
        old_currency=row.cost_currency if row.cost is not None else "",
        old_source=row.cost_source or "",
        old_price_snapshot=row.price_snapshot,
        new_amount=cost.amount,
        new_currency=cost.currency,
        new_source=cost.source.value,
        price_snapshot=price_snapshot(cost),
        reason=reason,
    )


def _add(totals: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    totals[currency] = EXACT.add(totals[currency], amount)
