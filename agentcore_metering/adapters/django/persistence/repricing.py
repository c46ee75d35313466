"""Owns pricing past rows anew, batch by batch, each change with its trail; and the proof that every cost follows from its row.

Only our own figures are touched unless it is asked for more. Doing it twice changes nothing the second time, so a run that was
stopped is resumed by starting it again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from agentcore_metering.adapters.django.models import LLMCostChange, LLMUsage
from agentcore_metering.adapters.django.models.querysets import UsageQuerySet
from agentcore_metering.adapters.django.persistence.priced_rows import (
    facts_of,
    price_snapshot,
    recomputed_amount,
    target_of,
)
from agentcore_metering.core.money import EXACT
from agentcore_metering.core.ports import PriceSource
from agentcore_metering.core.pricing import price_attempt
from agentcore_metering.core.types import Cost, CostSource, CostStatus

__all__ = ["AuditSummary", "Plan", "RepriceSummary", "Selection", "audit", "reprice"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: by when the attempt was over, from `start` until before `end`; None is no limit."""

    start: datetime | None = None
    end: datetime | None = None
    model: str | None = None
    """As asked for, with or without LiteLLM's prefix, or as served."""
    provider: str | None = None
    batch_size: int = 500

    def batches(self, using: str, *, is_locking: bool = False) -> Iterator[list[LLMUsage]]:
        """The rows in order of time. Side effect with `is_locking`: they are locked until the transaction's end."""
        last: LLMUsage | None = None
        while True:
            rows = self._rows(using)
            if last is not None:
                rows = rows.filter(Q(created_at__gt=last.created_at) | Q(created_at=last.created_at, id__gt=last.id))
            if is_locking:
                rows = rows.select_for_update()
            batch = list(rows.order_by("created_at", "id")[: self.batch_size])
            if not batch:
                return
            yield batch
            last = batch[-1]

    def count(self, using: str) -> int:
        """How many rows there are."""
        return self._rows(using).count()

    def _rows(self, using: str) -> UsageQuerySet:
        rows: UsageQuerySet = LLMUsage.objects.using(using)
        if self.start is not None:
            rows = rows.filter(created_at__gte=self.start)
        if self.end is not None:
            rows = rows.filter(created_at__lt=self.end)
        if self.provider is not None:
            rows = rows.filter(provider=self.provider)
        if self.model is not None:
            rows = rows.filter(Q(model=self.model) | Q(request_model=self.model) | Q(response_model=self.model))
        return rows


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


@dataclass(slots=True)
class AuditSummary:
    """What the proof has found so far."""

    counts: Counter[str] = field(default_factory=Counter)
    """Rows by outcome: `proved`, `reported` (a provider's figure, nothing to compute), `without_prices` (rows of older code),
    `unpriced`, `different`."""
    differences: list[tuple[str, Decimal, Decimal | None]] = field(default_factory=list)
    """Row id, stored and recomputed amount, of the first ones that differ."""


def audit(
    selection: Selection,
    using: str,
    on_batch: Callable[[AuditSummary], None] = lambda summary: None,
    *,
    kept_differences: int = 100,
) -> AuditSummary:
    """Compute every stored cost again from its row alone; `on_batch` is told after each batch."""
    summary = AuditSummary()
    for batch in selection.batches(using):
        for row in batch:
            outcome, computed = _proof(row)
            summary.counts[outcome] += 1
            if outcome == "different" and len(summary.differences) < kept_differences:
                summary.differences.append((str(row.id), _stored(row) or Decimal(0), computed))
        on_batch(summary)
    return summary


def _proof(row: LLMUsage) -> tuple[str, Decimal | None]:
    if row.cost is None:
        return "unpriced", None
    stored = _stored(row)
    if stored is None:
        return "reported", None
    if not row.price_snapshot:
        return ("different" if row.cost_source else "without_prices"), None
    try:
        computed = recomputed_amount(row)
    except (LookupError, ValueError, ArithmeticError, TypeError, AttributeError):
        return "different", None
    # Beside a provider's own figure the computed one is in the currency of its prices, whichever that is.
    has_its_currency = row.cost_source == CostSource.PROVIDER or row.price_snapshot["currency"] == row.cost_currency
    return ("proved" if computed == stored and has_its_currency else "different"), computed


def _stored(row: LLMUsage) -> Decimal | None:
    """The figure that was computed: the cost, or what stands beside a provider's own."""
    return row.computed_cost if row.cost_source == CostSource.PROVIDER else row.cost


def _add(totals: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    totals[currency] = EXACT.add(totals[currency], amount)
