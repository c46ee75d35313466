"""What a model's call would be charged now, and why: the answer of `metering_prices`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.models.price import TOKENS_PER_PRICE
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import unit_price_of
from agentcore_metering.core.providers import get_provider, semconv_provider_name
from agentcore_metering.core.routing import find_route
from agentcore_metering.core.types import (
    ModelTarget,
    Operation,
    Price,
    ResponseFacts,
    TokenClass,
    Usage,
    UsageSource,
)
from agentcore_metering.core.usage import CLASS_PARENTS

__all__ = ["Quote", "quotes"]

_TIERS = ("", "flex", "priority", "batch")
_PROMPT_LENGTHS = (1, 32_001, 100_001, 128_001, 200_001, 256_001, 272_001, 512_001, 1_000_001)
"""One past every length from which a vendor has another price."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One price and where it comes from."""

    provider: str
    model: str
    price: Price | None
    """None where a call would have no known cost."""
    reason: str
    """The price map's key or the operator's row; or why there is no price."""

    def as_json(self) -> dict[str, Any]:
        """Prices of tokens by the million, all as decimal texts."""
        head: dict[str, Any] = {"provider": self.provider, "model": self.model, "reason": self.reason}
        if self.price is None:
            return {**head, "source": None}
        price = self.price
        return {
            **head,
            "source": price.source.value,
            "version": price.version,
            "currency": price.currency,
            "tier": price.tier or "standard",
            "per_1m": {token_class.value: _per_million(price, token_class) for token_class in TokenClass},
            "charged_as": {
                token_class.value: parent.value
                for token_class, parent in CLASS_PARENTS.items()
                if token_class not in price.unit_prices and unit_price_of(price, token_class) is not None
            },
            "per_unit": {unit: format(amount.normalize(), "f") for unit, amount in price.per_unit.items()},
        }


def quotes(
    operator: OperatorPrices, price_map: PriceMap, provider: str, model: str, at: datetime, served: str | None = None
) -> list[Quote]:
    """The prices that a call sent at the time `at` may have, one for each tier and length that makes a difference; at least one."""
    found: list[Quote] = []
    for target, facts in _calls(provider, model, served):
        row = operator.row_of(target, facts, at)
        if row is not None:
            price = operator.price_of(target, facts, at)
            reason = f"{row.provider or 'any provider'} {row.model_pattern}"
        else:
            price, reason = price_map.explain(target, facts, at)
        quote = Quote(provider, model, price, reason)
        is_new = price is not None and price not in [known.price for known in found]
        if is_new or not found:
            found.append(quote)
    return [quote for quote in found if quote.price is not None] or found


def _calls(provider: str, model: str, served: str | None) -> Iterator[tuple[ModelTarget, ResponseFacts]]:
    route = find_route(get_provider(provider), model)
    # Else nothing would be known of an Azure deployment, which is priced by the model that answers.
    served = served or route.request_model
    target = ModelTarget(
        operation=Operation.CHAT,
        provider=provider,
        provider_name=semconv_provider_name(route.litellm_provider),
        request_model=route.request_model,
        litellm_model=route.litellm_model,
    )
    for tier in _TIERS:
        for length in _PROMPT_LENGTHS:
            usage = Usage(input_tokens=length, source=UsageSource.PROVIDER)
            yield target, ResponseFacts(usage=usage, response_model=served, service_tier=tier or None)
    # What is billed by the second or the image has a price only where no tokens are told.
    yield target, ResponseFacts(response_model=served)


def _per_million(price: Price, token_class: TokenClass) -> str | None:
    unit_price = unit_price_of(price, token_class)
    return None if unit_price is None else format((unit_price * TOKENS_PER_PRICE).normalize(), "f")
