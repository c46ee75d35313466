"""What of a usage row its cost is computed from, both ways: usage, units and unit prices <-> the row's columns and JSON.

A row alone is enough to compute its cost again; so nothing here looks anywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.price_entry import is_regional
from agentcore_metering.core.pricing import compute_amount
from agentcore_metering.core.providers import get_provider, semconv_provider_name
from agentcore_metering.core.routing import called_provider
from agentcore_metering.core.types import (
    Cost,
    CostSource,
    ModelTarget,
    Operation,
    Price,
    ResponseFacts,
    TokenClass,
    Usage,
    UsageSource,
)

__all__ = ["facts_of", "price_snapshot", "recomputed_amount", "snapshot_price", "target_of", "usage_details"]

_DETAILS = (
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "input_video_tokens",
    "cache_read_audio_tokens",
    "cache_read_image_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "output_video_tokens",
)
"""Fields of `Usage` without a column of their own."""


def usage_details(target: ModelTarget, facts: ResponseFacts) -> dict[str, Any] | None:
    """What a price needs beyond the row's columns; None where that is nothing."""
    details: dict[str, Any] = {name: count for name in _DETAILS if (count := getattr(facts.usage, name))}
    if facts.units:
        details["units"] = {name: str(quantity) for name, quantity in facts.units.items()}
    if target.requested_service_tier:
        details["requested_service_tier"] = target.requested_service_tier
    if is_regional(target):
        details["server_address"] = target.server_address
    return details or None


def price_snapshot(cost: Cost | None) -> dict[str, Any] | None:
    """The unit prices as exact decimal texts; None where none were applied."""
    price = cost.price if cost else None
    if price is None:
        return None
    snapshot: dict[str, Any] = {
        "currency": price.currency,
        "version": price.version,
        "source": price.source.value,
        "per_token": {token_class.value: format(amount, "f") for token_class, amount in price.unit_prices.items()},
    }
    if price.per_unit:
        snapshot["per_unit"] = {unit: format(amount, "f") for unit, amount in price.per_unit.items()}
    if price.tier:
        snapshot["tier"] = price.tier
    return snapshot


def snapshot_price(snapshot: Mapping[str, Any]) -> Price:
    """The prices in a row's snapshot. Raises LookupError, ValueError or ArithmeticError for what is no snapshot."""
    return Price(
        currency=snapshot["currency"],
        unit_prices={TokenClass(name): Decimal(text) for name, text in snapshot["per_token"].items()},
        source=CostSource(snapshot["source"]),
        version=snapshot["version"],
        per_unit={unit: Decimal(text) for unit, text in snapshot.get("per_unit", {}).items()},
        tier=snapshot.get("tier", ""),
    )


def recomputed_amount(row: LLMUsage) -> Decimal | None:
    """The amount that the row's own figures and prices come to; None where it has no prices. Raises as `snapshot_price`."""
    if not row.price_snapshot:
        return None
    facts = facts_of(row)
    return compute_amount(facts.usage, snapshot_price(row.price_snapshot), facts.units)


def facts_of(row: LLMUsage) -> ResponseFacts:
    """What the row says of its answer. A row of code that knows the older schema counts as counted by the provider.

    Parts of a row that another hand has made may be larger than their whole; they are cut to it, or there would be tokens below zero.
    """
    details = row.usage_details or {}
    has_tokens = bool(row.prompt_tokens or row.completion_tokens)
    known = UsageSource.PROVIDER if has_tokens else UsageSource.NONE
    parts: dict[str, Any] = {name: int(details[name]) for name in _DETAILS if name in details}
    cache_read_tokens = min(row.cached_tokens, row.prompt_tokens)
    usage = Usage(
        input_tokens=row.prompt_tokens,
        output_tokens=row.completion_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=min(row.cache_write_tokens, row.prompt_tokens - cache_read_tokens),
        reasoning_tokens=min(row.reasoning_tokens, row.completion_tokens),
        source=UsageSource(row.usage_source) if row.usage_source else known,
        raw=row.usage_raw if isinstance(row.usage_raw, dict) else None,
        **parts,
    )
    return ResponseFacts(
        usage=usage,
        response_model=row.response_model,
        service_tier=row.service_tier,
        units={name: Decimal(text) for name, text in details.get("units", {}).items()},
    )


def target_of(row: LLMUsage) -> ModelTarget:
    """What the row says was called; provider and model "" where it does not."""
    provider = row.provider or ""
    details = row.usage_details or {}
    return ModelTarget(
        operation=Operation(row.operation) if row.operation in set(Operation) else Operation.CHAT,
        provider=provider,
        provider_name=semconv_provider_name(called_provider(get_provider(provider), row.model)),
        request_model=row.request_model or row.model.partition("/")[2] or row.model,
        litellm_model=row.model,
        is_streaming=row.is_streaming,
        server_address=details.get("server_address"),
        requested_service_tier=details.get("requested_service_tier"),
        cost_currency=row.cost_currency or DEFAULT_COST_CURRENCY,
    )
