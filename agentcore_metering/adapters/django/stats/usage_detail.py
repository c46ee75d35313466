"""The document of `llm-usage/<id>/`: all of one row, what its cost is made of, and every attempt of its call."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.priced_rows import recomputed_amount
from agentcore_metering.adapters.django.stats.shapes import exact_text
from agentcore_metering.adapters.django.stats.usage_list import OLDEST_FIRST, usage_item
from agentcore_metering.adapters.django.stats.usage_query import UsageFilter, select_usage

__all__ = ["MAX_ATTEMPTS", "usage_detail"]

MAX_ATTEMPTS = 100
"""Attempts of one call that are shown."""

_COPIED = (
    "request_model",
    "config_scope",
    "service_tier",
    "response_id",
    "source_type",
    "is_streaming",
    "trace_sampled",
    "usage_raw",
    "price_snapshot",
)
_MOMENTS = ("first_chunk_at", "ended_at", "recorded_at")


def usage_detail(row_id: UUID) -> dict[str, Any]:
    """Everything of one row. Two queries; one for a row of code that knew no calls.

    Raises:
        LLMUsage.DoesNotExist: there is no such row.
    """
    row = select_usage(UsageFilter()).select_related("user").get(pk=row_id)
    return {
        **usage_item(row),
        **{name: getattr(row, name) for name in _COPIED},
        **{name: _moment(getattr(row, name)) for name in _MOMENTS},
        "cost_details": _cost_details(row),
        "attempts": [usage_item(attempt) for attempt in _attempts(row)],
    }


def _attempts(row: LLMUsage) -> list[LLMUsage]:
    """The rows of the same call in order, this one too."""
    if row.call_id is None:
        return [row]
    of_call = select_usage(UsageFilter()).filter(call_id=row.call_id).select_related("user")
    return list(of_call.order_by("attempt", *OLDEST_FIRST)[:MAX_ATTEMPTS])


def _cost_details(row: LLMUsage) -> dict[str, Any]:
    return {
        "amount": _amount(row.cost),
        "currency": row.cost_currency,
        "source": row.cost_source,
        "status": row.cost_status,
        "computed_amount": _amount(row.computed_cost),
        "recomputed_amount": _amount(_recomputed(row)),
    }


def _recomputed(row: LLMUsage) -> Decimal | None:
    try:
        return recomputed_amount(row)
    # What a host has put into the columns by hand need not be prices.
    except (LookupError, ValueError, ArithmeticError, TypeError, AttributeError):
        return None


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else exact_text(amount)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
