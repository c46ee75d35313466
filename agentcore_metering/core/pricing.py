"""Tokens and units x unit prices -> `Cost`, in exact decimals; whose figure wins.

The provider's own figure wins over the price book, and in the book an operator's price wins over LiteLLM's map. No price is None,
never 0. Two currencies are never added. Where prices come from is left to the sources: `price_map`, an operator's database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from agentcore_metering.core.money import EXACT, exact_amount
from agentcore_metering.core.ports import PriceSource
from agentcore_metering.core.types import (
    EMPTY,
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
from agentcore_metering.core.usage import CLASS_PARENTS, tokens_by_class

__all__ = ["PriceBook", "compute_amount", "price_attempt", "unit_price_of"]

FEES = frozenset({"queries", "web_searches"})
"""Units that are charged beside tokens; the others measure what tokens measure too."""

GROUNDED_PROMPTS = "grounded_prompts"
"""A fee of a price for a call that searched, however often."""

SURCHARGES = frozenset({"web_searches", GROUNDED_PROMPTS})
"""What a price has beside what the model itself costs. Any other unit price is, where tokens cost nothing, what it costs."""


class PriceBook:
    """The first price that any of its sources knows, in their order."""

    def __init__(self, sources: Sequence[PriceSource]) -> None:
        self._sources = tuple(sources)

    def price_of(self, target: ModelTarget, facts: ResponseFacts, at: datetime) -> Price | None:
        """See `PriceSource.price_of`."""
        prices = (source.price_of(target, facts, at) for source in self._sources)
        return next((price for price in prices if price is not None), None)


def price_attempt(
    target: ModelTarget, facts: ResponseFacts, prices: PriceSource, at: datetime
) -> tuple[Cost | None, CostStatus]:
    """What an attempt cost and how well that is known; the cost is None when it is not.

    A figure that the provider reported itself wins; what the price book says is kept beside it.
    """
    has_usage = facts.usage.source is not UsageSource.NONE or bool(facts.units)
    if not has_usage and facts.provider_cost is None:
        return None, CostStatus.NO_USAGE
    price = prices.price_of(target, facts, at) if has_usage else None
    computed = compute_amount(facts.usage, price, facts.units) if price else None
    if facts.provider_cost is not None:
        amount = exact_amount(facts.provider_cost)
        known_price = price if computed is not None else None
        cost = Cost(amount, target.cost_currency, CostSource.PROVIDER, known_price, computed)
    elif price is not None and computed is not None:
        cost = Cost(computed, price.currency, price.source, price)
    else:
        return None, CostStatus.UNPRICED
    is_free = cost.amount == 0 and (facts.usage.total_tokens > 0 or bool(facts.units))
    return cost, CostStatus.FREE if is_free else CostStatus.PRICED


def compute_amount(usage: Usage, price: Price, units: Mapping[str, Decimal] = EMPTY) -> Decimal | None:
    """The exact sum of quantity x unit price over the token classes and the units, rounded once, half to even, to 12 places.

    None where a part of it has no price, or nothing of it has one.
    """
    charges = (*_token_charges(usage, price), *_unit_charges(usage, price, units))
    if not charges and (usage.total_tokens or any(units.values())):
        return None
    total = Decimal(0)
    for quantity, unit_price in charges:
        if unit_price is None:
            return None
        total = EXACT.add(total, EXACT.multiply(quantity, unit_price))
    return exact_amount(total)


def unit_price_of(price: Price, token_class: TokenClass) -> Decimal | None:
    """What one token of the class is charged: its own price, else its parent's; None where that is not known.

    An hour in the cache never costs as little as five minutes, so it does not take that price where only that is known.
    """
    current: TokenClass | None = token_class
    while current is not None and current not in price.unpriced:
        is_shorter_write = current is TokenClass.CACHE_WRITE and token_class is TokenClass.CACHE_WRITE_1H
        if current in price.unit_prices:
            return None if is_shorter_write else price.unit_prices[current]
        current = CLASS_PARENTS.get(current)
    return None


def _token_charges(usage: Usage, price: Price) -> Iterator[tuple[Decimal, Decimal | None]]:
    if not price.unit_prices and not price.unpriced:
        return
    for token_class, count in tokens_by_class(usage).items():
        if count:
            yield Decimal(count), unit_price_of(price, token_class)


def _unit_charges(usage: Usage, price: Price, units: Mapping[str, Decimal]) -> Iterator[tuple[Decimal, Decimal | None]]:
    if units.get("web_searches") and GROUNDED_PROMPTS in price.per_unit:
        units = {**units, GROUNDED_PROMPTS: Decimal(1), "web_searches": Decimal(0)}
    told = {name: quantity for name, quantity in units.items() if quantity}
    priced = told.keys() & price.per_unit.keys()
    for name in priced:
        yield told[name], price.per_unit[name]
    missing = told.keys() - price.per_unit.keys()
    # A measure without a price is no loss where the tokens have one.
    if missing & FEES or (missing and not usage.total_tokens and not priced):
        yield Decimal(1), None
    if not any(price.unit_prices.values()):
        main = {name for name, unit_price in price.per_unit.items() if unit_price} - SURCHARGES
        if main and not main & told.keys():
            yield Decimal(1), None
