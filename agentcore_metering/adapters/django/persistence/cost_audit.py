"""Owns the proof that every stored cost follows from its row alone: computed again from the row's usage and prices. Changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.priced_rows import recomputed_amount
from agentcore_metering.adapters.django.persistence.selection import Selection
from agentcore_metering.core.types import CostSource

__all__ = ["AuditSummary", "audit"]

MAX_DIFFERENCES = 100
"""That are named; all are counted."""


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
) -> AuditSummary:
    """Compute every stored cost again from its row alone; `on_batch` is told after each batch."""
    summary = AuditSummary()
    for batch in selection.batches(using):
        for row in batch:
            outcome, computed = _proof(row)
            summary.counts[outcome] += 1
            if outcome == "different" and len(summary.differences) < MAX_DIFFERENCES:
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
