"""Tokens x unit prices -> `Cost`, in exact decimals; whose figure wins; what LiteLLM's price map says.

The provider's own figure wins over the price book, and in the book an operator's price wins over LiteLLM's map. No price is None,
never 0. Two currencies are never added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, localcontext
from typing import Any

from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.gateway import price_entry, price_map_version
from agentcore_metering.core.ports import PriceSource
from agentcore_metering.core.providers import get_provider
from agentcore_metering.core.types import (
    Cost,
    CostSource,
    CostStatus,
    ModelTarget,
    Price,
    ResponseFacts,
    TokenClass,
    Usage,
    UsageSource,
)

__all__ = ["PriceBook", "PriceMap", "compute_amount", "exact_amount", "price_attempt"]

QUANTUM = Decimal("1e-12")
"""The smallest amount that is kept: 12 decimal places."""

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)

_MAP_KEYS: Mapping[TokenClass, str] = {
    TokenClass.INPUT: "input_cost_per_token",
    TokenClass.CACHE_READ: "cache_read_input_token_cost",
    TokenClass.CACHE_WRITE: "cache_creation_input_token_cost",
    TokenClass.OUTPUT: "output_cost_per_token",
    TokenClass.REASONING: "output_cost_per_reasoning_token",
}

_PARENT: Mapping[TokenClass, TokenClass] = {
    TokenClass.CACHE_READ: TokenClass.INPUT,
    TokenClass.CACHE_WRITE: TokenClass.INPUT,
    TokenClass.REASONING: TokenClass.OUTPUT,
}


class PriceBook:
    """The first price that any of its sources knows, in their order."""

    def __init__(self, sources: Sequence[PriceSource]) -> None:
        self._sources = tuple(sources)

    def price_of(self, target: ModelTarget, response_model: str | None, at: datetime) -> Price | None:
        """See `PriceSource.price_of`."""
        prices = (source.price_of(target, response_model, at) for source in self._sources)
        return next((price for price in prices if price is not None), None)


class PriceMap:
    """List prices from LiteLLM's map, always today's: the map has no history."""

    def price_of(self, target: ModelTarget, response_model: str | None, at: datetime) -> Price | None:
        """The list price of the model that was served, else of the one that was asked for, by the same provider."""
        provider = get_provider(target.provider)
        if provider.is_gateway:
            return None
        for key in _map_keys(provider.litellm_name, response_model, target):
            entry = price_entry(key)
            if entry and str(entry.get("litellm_provider", "")).startswith(provider.litellm_name):
                unit_prices = _unit_prices(entry)
                if unit_prices:
                    return Price(DEFAULT_COST_CURRENCY, unit_prices, CostSource.PRICE_MAP, price_map_version())
        return None


def price_attempt(
    target: ModelTarget, facts: ResponseFacts, prices: PriceSource, at: datetime
) -> tuple[Cost | None, CostStatus]:
    """What an attempt cost and how well that is known; the cost is None when it is not.

    A figure that the provider reported itself wins; what the price book says is kept beside it.
    """
    has_usage = facts.usage.source is not UsageSource.NONE
    if not has_usage and facts.provider_cost is None:
        return None, CostStatus.NO_USAGE
    price = prices.price_of(target, facts.response_model, at) if has_usage else None
    computed = compute_amount(facts.usage, price) if price else None
    if facts.provider_cost is not None:
        amount = exact_amount(facts.provider_cost)
        cost = Cost(amount, DEFAULT_COST_CURRENCY, CostSource.PROVIDER, price, computed)
    elif price is not None and computed is not None:
        cost = Cost(computed, price.currency, price.source, price)
    else:
        return None, CostStatus.UNPRICED
    is_free = cost.amount == 0 and facts.usage.total_tokens > 0
    return cost, CostStatus.FREE if is_free else CostStatus.PRICED


def compute_amount(usage: Usage, price: Price) -> Decimal:
    """The exact sum of tokens x unit price over the disjoint token classes, rounded once, half to even, to 12 places."""
    with localcontext(_EXACT):
        total = sum((tokens * unit_price for tokens, unit_price in _charges(usage, price)), Decimal(0))
        return total.quantize(QUANTUM)


def exact_amount(value: Decimal) -> Decimal:
    """`value` at 12 decimal places, half to even."""
    with localcontext(_EXACT):
        return value.quantize(QUANTUM)


def _charges(usage: Usage, price: Price) -> Iterator[tuple[int, Decimal]]:
    tokens = {
        TokenClass.INPUT: usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
        TokenClass.CACHE_READ: usage.cache_read_tokens,
        TokenClass.CACHE_WRITE: usage.cache_write_tokens,
        TokenClass.OUTPUT: usage.output_tokens - usage.reasoning_tokens,
        TokenClass.REASONING: usage.reasoning_tokens,
    }
    for token_class, count in tokens.items():
        unit_price = price.unit_prices.get(token_class)
        if unit_price is None and token_class in _PARENT:
            unit_price = price.unit_prices.get(_PARENT[token_class])
        yield count, unit_price or Decimal(0)


def _map_keys(litellm_name: str, response_model: str | None, target: ModelTarget) -> Iterator[str]:
    for model in (response_model, target.request_model):
        if model:
            yield f"{litellm_name}/{model}"
            yield model


def _unit_prices(entry: Mapping[str, Any]) -> dict[TokenClass, Decimal]:
    """Unit prices of a map entry; empty unless it prices input or output tokens."""
    prices = {token_class: _decimal(entry.get(key)) for token_class, key in _MAP_KEYS.items()}
    known = {token_class: price for token_class, price in prices.items() if price is not None}
    return known if TokenClass.INPUT in known or TokenClass.OUTPUT in known else {}


def _decimal(value: Any) -> Decimal | None:
    """The decimal that a JSON number was written as; None for anything that is no finite number >= 0."""
    if value is None or isinstance(value, bool):
        return None
    try:
        # By way of its shortest text: 1.5e-07 is meant, not the binary fraction next to it.
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None
