"""A usage row as a charge of FOCUS 1.1, the FinOps Open Cost and Usage Specification (https://focus.finops.org/).

One row is one charge. What we cannot know, such as invoices and discounts, is left empty where the specification lets it be; columns of
our own begin with `x_`, as it asks. docs/export.md shows the mapping.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from agentcore_metering.adapters.django.exports.columns import columns_named
from agentcore_metering.constants import DEFAULT_COST_CURRENCY

__all__ = ["FOCUS_COLUMNS", "FOCUS_NAMES", "FOCUS_TEXTS", "focus_row"]

_READ = (
    "created_at",
    "id",
    "call_id",
    "attempt",
    "user_id",
    "operation",
    "provider",
    "model",
    "response_model",
    "config_uuid",
    "node_name",
    "source_type",
    "status",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cost_amount",
    "cost_currency",
    "cost_source",
    "trace_id",
)
FOCUS_COLUMNS = columns_named(*_READ)

FOCUS_NAMES = (
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "ContractedCost",
    "BillingCurrency",
    "BillingAccountId",
    "BillingAccountName",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ConsumedQuantity",
    "ConsumedUnit",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "InvoiceIssuerName",
    "ServiceCategory",
    "ServiceSubcategory",
    "ServiceName",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
    "Tags",
    "x_UsageId",
    "x_CallId",
    "x_Attempt",
    "x_Status",
    "x_CostSource",
    "x_InputTokens",
    "x_OutputTokens",
    "x_CachedTokens",
    "x_EndedAt",
)
FOCUS_TEXTS = (
    "BillingCurrency",
    "ChargeDescription",
    "ProviderName",
    "PublisherName",
    "InvoiceIssuerName",
    "ServiceName",
    "SkuId",
    "SkuPriceId",
    "SubAccountId",
    "x_Status",
    "x_CostSource",
)
"""The columns that hold text from outside; the tags are JSON, which begins with a brace."""

UNKNOWN = "unknown"
_TAGS = ("user_id", "operation", "model", "node_name", "source_type", "trace_id")
_encode = json.JSONEncoder(ensure_ascii=False).encode


def focus_row(values: tuple[Any, ...]) -> list[Any]:
    """The values of `FOCUS_NAMES` of a row that was read as `FOCUS_COLUMNS`."""
    row = dict(zip(_READ, values, strict=True))
    cost, provider, tokens = row["cost_amount"], row["provider"] or UNKNOWN, row["total_tokens"]
    sku = row["response_model"] or row["model"]
    # Images, audio and the like have no tokens: what was consumed is a request.
    quantity, unit = (tokens, "Tokens") if tokens else (1, "Requests")
    tags = {name: row[name] for name in _TAGS if row[name] is not None}
    return [
        *(cost, cost, cost, cost, row["cost_currency"].strip().upper() or DEFAULT_COST_CURRENCY),
        *(row["config_uuid"] or "settings", None),
        *_periods(row["created_at"][:13]),
        *("Usage", None, f"{row['operation'] or 'request'} by {sku}", "Usage-Based"),
        *(quantity, unit, "Standard", quantity, unit),
        *(provider, provider, provider, "AI and Machine Learning", "Generative AI", provider),
        *(sku, sku, row["user_id"], _encode(tags)),
        *(row["id"], row["call_id"], row["attempt"], row["status"], row["cost_source"]),
        *(row["prompt_tokens"], row["completion_tokens"], row["cached_tokens"], row["created_at"]),
    ]


@lru_cache(maxsize=64)
def _periods(hour: str) -> tuple[str, str, str, str]:
    """Start and end of the month and of the hour, from `2026-02-21T12`; ends are exclusive."""
    start = datetime.fromisoformat(f"{hour}:00:00+00:00")
    month = start.replace(day=1, hour=0)
    next_month = (month + timedelta(days=31)).replace(day=1)
    return _second(month), _second(next_month), _second(start), _second(start + timedelta(hours=1))


def _second(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
