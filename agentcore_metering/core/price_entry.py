"""One entry of LiteLLM's price map -> the unit prices that hold for one call: its tier, its prompt's length, its hour, its region.

Whole-prompt rule: past a threshold every token of the call, of input and output, has the higher price, as LiteLLM and the vendors have it.
Which entry is a model's is left to `price_map`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from agentcore_metering.core.money import EXACT
from agentcore_metering.core.off_peak import off_peak_prices
from agentcore_metering.core.types import ModelTarget, ResponseFacts, TokenClass
from agentcore_metering.core.usage import CLASS_PARENTS

__all__ = ["EntryPrices", "UnknownPrice", "entry_prices", "is_regional", "tier_of", "tier_word"]

_KEYS: Mapping[TokenClass, str] = {
    TokenClass.INPUT: "input_cost_per_token",
    TokenClass.INPUT_AUDIO: "input_cost_per_audio_token",
    TokenClass.INPUT_IMAGE: "input_cost_per_image_token",
    TokenClass.INPUT_VIDEO: "input_cost_per_video_token",
    TokenClass.CACHE_READ: "cache_read_input_token_cost",
    TokenClass.CACHE_READ_AUDIO: "cache_read_input_audio_token_cost",
    TokenClass.CACHE_READ_IMAGE: "cache_read_input_image_token_cost",
    TokenClass.CACHE_WRITE: "cache_creation_input_token_cost",
    TokenClass.CACHE_WRITE_1H: "cache_creation_input_token_cost_above_1hr",
    TokenClass.OUTPUT: "output_cost_per_token",
    TokenClass.OUTPUT_AUDIO: "output_cost_per_audio_token",
    TokenClass.OUTPUT_IMAGE: "output_cost_per_image_token",
    TokenClass.OUTPUT_VIDEO: "output_cost_per_video_token",
    TokenClass.REASONING: "output_cost_per_reasoning_token",
}

_STANDARD = frozenset({"", "auto", "default", "on_demand", "standard", "standard_only"})
_TIERS: Mapping[str, str] = {
    "balanced": "balanced",
    "batch": "batches",
    "batches": "batches",
    "fast": "priority",
    "flex": "flex",
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
    "priority": "priority",
    "ultrafast": "ultrafast",
}
"""A provider's word for a tier -> how the map's keys end."""

_MEASURES: Mapping[str, tuple[str, ...]] = {
    "images": ("output_cost_per_image", "input_cost_per_image"),
    "seconds": ("output_cost_per_second", "input_cost_per_second"),
    "characters": ("input_cost_per_character",),
}
"""Units that measure what tokens measure too. The first key with a price above zero counts; where tokens are priced none of them does."""

_THRESHOLD = re.compile(r"_above_(\d+)(k?)_tokens(?:_[a-z]+)?\Z")
_STANDARD_ENDINGS = [""]
_INCLUSIVE_THRESHOLDS = frozenset({"xai"})
_REGIONAL_HOST = re.compile(r"\A(eu|us)\.api\.openai\.com\Z")
_EVERYWHERE = frozenset({"global", "not_available"})


class UnknownPrice(Exception):
    """The entry does not say what this call costs; the message says why."""


@dataclass(frozen=True, slots=True)
class EntryPrices:
    """What holds for one call; the fields are those of `Price`."""

    unit_prices: Mapping[TokenClass, Decimal]
    per_unit: Mapping[str, Decimal] = field(default_factory=dict)
    tier: str = ""
    unpriced: tuple[TokenClass, ...] = ()


def entry_prices(entry: Mapping[str, Any], target: ModelTarget, facts: ResponseFacts, at: datetime) -> EntryPrices:
    """The prices of a call that was sent at the time `at`.

    Raises:
        UnknownPrice: its tier, speed or region has no price, or the entry prices nothing at all.
    """
    tier = tier_of(target, facts)
    if tier and tier not in _TIERS.values():
        raise UnknownPrice(f"service tier {tier!r} is not known")
    if entry.get("litellm_provider") == "perplexity" and "search_context_cost_per_query" in entry:
        raise UnknownPrice("a fee for each request comes on top, which only the cost that Perplexity reports tells")
    prices = _token_prices(entry, tier, facts.usage.input_tokens, str(entry.get("litellm_provider")))
    if not tier and (off_peak := off_peak_prices(entry, at)):
        prices = replace(prices, unit_prices={**prices.unit_prices, **_listed(off_peak)}, tier="off_peak")
    prices = _with_output_price(_scaled(prices, _factors(entry, target, facts)))
    prices = replace(prices, per_unit=_unit_prices(entry, tier, facts, prices.unit_prices))
    if not prices.unit_prices and not prices.per_unit:
        raise UnknownPrice(f"no price for {tier or 'the standard tier'}")
    return prices


def tier_of(target: ModelTarget, facts: ResponseFacts) -> str:
    """The call's service tier as the map's keys end, "" for the standard one; a word that is not known stays as it is.

    What was served wins over what was asked for.
    """
    for told in (facts.service_tier, target.requested_service_tier):
        word = (told or "").strip().lower()
        if word not in ("", "auto"):
            return tier_word(word)
    return ""


def tier_word(word: str) -> str:
    """One provider's word for a tier as the map has it; "" for the standard one."""
    return "" if word in _STANDARD else _TIERS.get(word, word)


def is_regional(target: ModelTarget) -> bool:
    """Whether the host that was called is one whose prices may differ from the model's."""
    return bool(_REGIONAL_HOST.match(target.server_address or ""))


def _token_prices(entry: Mapping[str, Any], tier: str, input_tokens: int, owner: str) -> EntryPrices:
    if isinstance(entry.get("tiered_pricing"), list):
        return _by_length(entry, tier, input_tokens)
    suffix = f"_{tier}" if tier else ""
    crossed = _crossed_thresholds(entry, suffix, input_tokens, is_inclusive=owner in _INCLUSIVE_THRESHOLDS)
    endings = [f"_above_{threshold}_tokens{suffix}" for threshold in crossed] or [suffix]
    prices: dict[TokenClass, Decimal] = {}
    unpriced: list[TokenClass] = []
    for token_class, key in _KEYS.items():
        price = next((known for ending in endings if (known := _decimal(entry.get(key + ending))) is not None), None)
        if price is not None:
            prices[token_class] = price
        elif endings != _STANDARD_ENDINGS and _has_own_price(entry, token_class):
            unpriced.append(token_class)
    label = " ".join(part for part in (tier, f"above_{crossed[0]}" if crossed else "") if part)
    return EntryPrices(prices, tier=label, unpriced=tuple(unpriced))


def _crossed_thresholds(entry: Mapping[str, Any], suffix: str, input_tokens: int, *, is_inclusive: bool) -> list[str]:
    """The thresholds that the prompt is past, as they are written, the highest first."""
    found: dict[int, str] = {}
    for key in entry:
        match = _THRESHOLD.search(key) if "_above_" in key else None
        if match and (key.endswith("_tokens") or (suffix and key.endswith(suffix))) and _is_token_key(key):
            limit = int(match[1]) * (1000 if match[2] else 1)
            if input_tokens > limit or (is_inclusive and input_tokens == limit):
                found[limit] = match[1] + match[2]
    return [found[limit] for limit in sorted(found, reverse=True)]


def _is_token_key(key: str) -> bool:
    return any(key.startswith(f"{base}_above_") for base in _KEYS.values())


def _has_own_price(entry: Mapping[str, Any], token_class: TokenClass) -> bool:
    """Whether the class costs something else than its parent, so that the parent's price of another tier says nothing of it."""
    price = _decimal(entry.get(_KEYS[token_class]))
    if price is None:
        return False
    parent = CLASS_PARENTS.get(token_class)
    return parent is None or price != _decimal(entry.get(_KEYS[parent]))


def _by_length(entry: Mapping[str, Any], tier: str, input_tokens: int) -> EntryPrices:
    """From a table by the prompt's length: every token at the prices of the one row that the prompt falls into."""
    if tier:
        raise UnknownPrice(f"no price for {tier}")
    rows = sorted(
        (row for row in entry["tiered_pricing"] if isinstance(row, Mapping) and len(row.get("range", ())) == 2),
        key=lambda row: row["range"][0],
    )
    priced = [row for row in rows if _decimal(row.get("input_cost_per_token")) is not None]
    if not priced:
        return EntryPrices({})
    row = next((row for row in priced if input_tokens <= row["range"][1]), priced[-1])
    # A table of input prices only leaves the output at the model's own.
    whole = (
        row if "output_cost_per_token" in row else {**row, "output_cost_per_token": entry.get("output_cost_per_token")}
    )
    start = int(row["range"][0])
    return EntryPrices(_listed(whole), tier=f"above_{start}" if start else "")


def _listed(listed: Mapping[str, Any]) -> dict[TokenClass, Decimal]:
    return {
        token_class: price for token_class, key in _KEYS.items() if (price := _decimal(listed.get(key))) is not None
    }


def _factors(entry: Mapping[str, Any], target: ModelTarget, facts: ResponseFacts) -> Iterator[tuple[str, Decimal]]:
    """What all token prices are multiplied by: a faster mode, a region, a regional host."""
    told = facts.usage.raw or {}
    own = entry.get("provider_specific_entry")
    own = own if isinstance(own, Mapping) else {}
    geo = str(told.get("inference_geo") or "global").lower()
    if told.get("speed") == "fast":
        yield "fast", _factor(own, "fast")
    if geo not in _EVERYWHERE:
        yield geo, _factor(own, geo)
    host = _REGIONAL_HOST.match(target.server_address or "")
    if host:
        name = f"regional_processing_uplift_multiplier_{host[1]}"
        if name in entry:
            yield f"{host[1]}_host", _factor(entry, name)


def _factor(listed: Mapping[str, Any], name: str) -> Decimal:
    factor = _decimal(listed.get(name))
    if factor is None:
        raise UnknownPrice(f"no price for {name!r}")
    return factor


def _scaled(prices: EntryPrices, factors: Iterator[tuple[str, Decimal]]) -> EntryPrices:
    for name, factor in factors:
        scaled = {token_class: EXACT.multiply(price, factor) for token_class, price in prices.unit_prices.items()}
        prices = replace(prices, unit_prices=scaled, tier=f"{prices.tier} {name}".strip())
    return prices


def _with_output_price(prices: EntryPrices) -> EntryPrices:
    """A model that gives nothing but images, or speech, has its output priced under that name only."""
    if TokenClass.OUTPUT in prices.unit_prices or TokenClass.OUTPUT in prices.unpriced:
        return prices
    for token_class in (TokenClass.OUTPUT_IMAGE, TokenClass.OUTPUT_AUDIO, TokenClass.OUTPUT_VIDEO):
        if token_class in prices.unit_prices:
            output = {TokenClass.OUTPUT: prices.unit_prices[token_class]}
            return replace(prices, unit_prices={**prices.unit_prices, **output})
    return prices


def _unit_prices(
    entry: Mapping[str, Any], tier: str, facts: ResponseFacts, token_prices: Mapping[TokenClass, Decimal]
) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    counts_tokens = facts.usage.total_tokens > 0 and any(token_prices.values())
    suffix = f"_{tier}" if tier else ""
    if not counts_tokens:
        for unit, keys in _MEASURES.items():
            prices = [price for key in keys if (price := _decimal(entry.get(key + suffix))) is not None]
            if prices:
                found[unit] = next(filter(None, prices), prices[0])
    query = _decimal(entry.get("input_cost_per_query"))
    if query is not None:
        found["queries"] = query
    return found | _search_fee(entry)


def _search_fee(entry: Mapping[str, Any]) -> dict[str, Decimal]:
    fees = entry.get("search_context_cost_per_query")
    fee = _decimal(fees.get("search_context_size_medium")) if isinstance(fees, Mapping) else None
    if fee is None:
        return {}
    is_google = str(entry.get("litellm_provider")).startswith(("gemini", "vertex_ai-language-models"))
    # Gemini 2 is charged once for a grounded prompt, however often it searched.
    is_by_prompt = is_google and entry.get("web_search_billing_unit") != "per_query"
    return {"grounded_prompts" if is_by_prompt else "web_searches": fee}


def _decimal(value: Any) -> Decimal | None:
    """The decimal that a JSON number was written as; None for anything that is no finite number >= 0."""
    if isinstance(value, float):
        return _decimal_of_float(value)
    return None if value is None or isinstance(value, bool) else _parsed(value)


def _parsed(value: Any) -> Decimal | None:
    try:
        # By way of its shortest text: 1.5e-07 is meant, not the binary fraction next to it.
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


_decimal_of_float = lru_cache(maxsize=4096)(_parsed)
"""The map's prices are few, and each is asked for with every call."""
