"""LiteLLM's price map -> `Price`: which entry is a model's, and what its tiers, thresholds and hours make of its figures.

The map has no history: it is always today's. Rules that LiteLLM's own calculator has are followed, with one exception: where it falls
back to the standard price for a tier that has none, there is no price here. What tokens cost by a price is `pricing`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.gateway import price_entry, price_map_version
from agentcore_metering.core.price_entry import EntryPrices, UnknownPrice, entry_prices
from agentcore_metering.core.price_memo import LookUp, PriceMemo
from agentcore_metering.core.providers import get_provider
from agentcore_metering.core.routing import called_provider
from agentcore_metering.core.types import EMPTY, CostSource, ModelTarget, Operation, Price, ResponseFacts

__all__ = ["PriceMap"]

_OTHER_PREFIXES: Mapping[str, tuple[str, ...]] = {"amazon_nova": ("amazon-nova",), "vertex_ai_beta": ("vertex_ai",)}
"""What the map puts before a model's name where that is not LiteLLM's name for the provider."""

_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "azure": ("azure_text",),
    "bedrock": ("bedrock_converse",),
    "cohere": ("cohere_chat",),
    "openai": ("text-completion-openai",),
    "vertex_ai_beta": ("vertex_ai",),
}
"""Other values of an entry's `litellm_provider` that mean the same provider; `name-...` always does."""

_Explained = tuple[Price | None, str]

_OF_DECISIONS = "_decisions"
_BEDROCK_ROUTES = ("converse/", "converse_like/", "invoke/")


class PriceMap:
    """List prices in USD from LiteLLM's map."""

    def __init__(
        self,
        lookup: Callable[[str], Mapping[str, Any] | None] = price_entry,
        version: Callable[[], str] = price_map_version,
    ) -> None:
        self._lookup = lookup
        self._version = version
        self._memo: PriceMemo[_Explained] = PriceMemo()

    def price_of(self, target: ModelTarget, facts: ResponseFacts, at: datetime) -> Price | None:
        """The list price of the model that was served, else of the one that was asked for, by the same provider."""
        price, _reason = self.explain(target, facts, at)
        return price

    def explain(self, target: ModelTarget, facts: ResponseFacts, at: datetime) -> _Explained:
        """The price, and the map's key that it stands under; or None, and why there is none."""
        told = facts.usage.raw or EMPTY
        question = (
            target,
            facts.response_model,
            facts.service_tier,
            str(told.get("inference_geo")),
            told.get("speed") == "fast",
            facts.usage.total_tokens > 0,
        )
        return self._memo.answer(
            question, facts.usage.input_tokens, self._lookup, lambda look_up: self._work_out(target, facts, at, look_up)
        )

    def _work_out(self, target: ModelTarget, facts: ResponseFacts, at: datetime, look_up: LookUp) -> _Explained:
        configured = get_provider(target.provider)
        # A configuration may send a model to another provider by its prefix: that one's prices hold.
        called = called_provider(configured, target.litellm_model)
        if configured.is_gateway or get_provider(called).is_gateway:
            return None, "a gateway is never charged by the list price of the model that it claims to serve"
        for key in _keys(called, target.request_model, facts.response_model):
            entry = look_up(key)
            if entry is None or not _is_of(entry, called):
                continue
            try:
                prices = entry_prices(_for_operation(entry, target.operation), target, facts, at)
            except UnknownPrice as exc:
                return None, f"{key}: {exc}"
            return self._price(prices), key
        return None, "the map has no such model of this provider"

    def _price(self, prices: EntryPrices) -> Price:
        return Price(
            currency=DEFAULT_COST_CURRENCY,
            unit_prices=prices.unit_prices,
            source=CostSource.PRICE_MAP,
            version=self._version(),
            per_unit=prices.per_unit,
            tier=prices.tier,
            unpriced=prices.unpriced,
        )


def _for_operation(entry: Mapping[str, Any], operation: Operation) -> Mapping[str, Any]:
    """The entry with the prices that it has for decisions, where these are charged otherwise than a chat."""
    if operation is not Operation.DECISIONS:
        return entry
    own = {key.removesuffix(_OF_DECISIONS): value for key, value in entry.items() if key.endswith(_OF_DECISIONS)}
    if not own:
        return entry
    return {**{key: value for key, value in entry.items() if not key.endswith(_OF_DECISIONS)}, **own}


def _keys(name: str, asked: str, response_model: str | None) -> Iterator[str]:
    """Where the map may have a model of the provider `name`: as served, then as asked for; with the provider's prefix, then bare."""
    prefix, served = f"{name}/", response_model or ""
    # LiteLLM may put its prefix before what was served, while what was asked for has lost it already. An Azure deployment may have
    # any name, that of another model too: only the answer tells what was served.
    names = (served.removeprefix(prefix), served, *(() if name == "azure" else (asked, asked.removeprefix(prefix))))
    for model in dict.fromkeys(map(_without_route, filter(None, names))):
        yield from (f"{own}/{model}" for own in (name, *_OTHER_PREFIXES.get(name, ())))
        yield model


def _without_route(model: str) -> str:
    return next((model.removeprefix(route) for route in _BEDROCK_ROUTES if model.startswith(route)), model)


def _is_of(entry: Mapping[str, Any], name: str) -> bool:
    owner = str(entry.get("litellm_provider") or "")
    return any(owner == own or owner.startswith(f"{own}-") for own in (name, *_OTHER_NAMES.get(name, ())) if own)
