"""Our prices against genai-prices, which somebody else collects: every model that both know, every disagreement with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pytest

from agentcore_metering.core.gateway import price_map_version
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import compute_amount
from agentcore_metering.core.types import ResponseFacts, Usage, UsageSource
from tests.fakes import make_target

genai_prices = pytest.importorskip("genai_prices")

COMPARED = ("1.106", "0.2.3")
"""The releases of LiteLLM and of genai-prices that the table is about; with others most models have to agree all the same."""

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)

VENDORS = {
    "anthropic": "anthropic",
    "deepseek": "deepseek",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "openai": "openai",
    "perplexity": "perplexity",
    "xai": "x-ai",
}
"""LiteLLM's name for a vendor -> genai-prices'."""

PROFILES: dict[str, dict[str, int]] = {
    "plain": {"input_tokens": 10_000, "output_tokens": 1_000},
    "cached": {"input_tokens": 10_000, "output_tokens": 1_000, "cache_read_tokens": 4_000},
    "long": {"input_tokens": 300_000, "output_tokens": 1_000, "cache_read_tokens": 100_000},
    "written": {"input_tokens": 10_000, "output_tokens": 1_000, "cache_write_tokens": 4_000},
    "audio": {
        "input_tokens": 10_000,
        "output_tokens": 1_000,
        "input_audio_tokens": 4_000,
        "output_audio_tokens": 500,
    },
}

DISAGREEMENTS: dict[str, tuple[str, ...]] = {
    "genai-prices has a higher price past 200,000 tokens, the map has none": (
        "claude-sonnet-4-5",
        "claude-sonnet-4-5-20250929",
    ),
    "only the map has a higher price past 272,000 tokens": ("gpt-5.6-cyber",),
    "only the map has a price for cached tokens": (
        "ft:gpt-4o-2024-08-06",
        "ft:gpt-4o-mini-2024-07-18",
        "gemini/gemini-2.5-pro-preview-tts",
        "gpt-4o-search-preview",
        "gpt-4o-search-preview-2025-03-11",
        "mistral/codestral-latest",
        "mistral/devstral-small-latest",
        "mistral/mistral-tiny",
        "mistral/pixtral-large-latest",
    ),
    "only the map has a price for audio": (
        "gpt-4o-audio-preview-2024-12-17",
        "gpt-4o-audio-preview-2025-06-03",
        "gpt-4o-mini-audio-preview-2024-12-17",
    ),
    "the map says that cache writes are free, genai-prices charges them as input; DeepSeek reports none": (
        "deepseek-flash",
        "deepseek-v4-flash",
        "deepseek-v4-flash-vision-exp",
        "deepseek-v4-pro",
        "deepseek/deepseek-flash",
        "deepseek/deepseek-v4-flash",
        "deepseek/deepseek-v4-flash-vision-exp",
        "deepseek/deepseek-v4-pro",
    ),
    "the map has a price for cache writes, genai-prices none; OpenAI reports none for this model": (
        "ft:gpt-4o-2024-11-20",
    ),
    "3.7e-08 against 3.75e-08 for a cached token: the map has two digits": ("groq/openai/gpt-oss-safeguard-20b",),
    "a name that has meant several releases, and each list prices another one": (
        "deepseek-chat",
        "deepseek-reasoner",
        "deepseek/deepseek-chat",
        "deepseek/deepseek-reasoner",
        "mistral/magistral-medium-latest",
        "mistral/magistral-small-latest",
        "mistral/mistral-large-latest",
        "mistral/mistral-medium",
        "xai/grok-code-fast",
        "xai/grok-code-fast-1",
        "xai/grok-code-fast-1-0825",
    ),
    "the two lists have other figures and nothing here says which is right: an operator's price settles it": (
        "deepseek/deepseek-v3.2",
        "mistral/mistral-large-4",
        "mistral/mistral-large-4-0",
        "mistral/open-mistral-nemo",
    ),
    "a fee for each request comes on top, which the map cannot tell: without Perplexity's own figure there is no cost": (
        "perplexity/sonar",
        "perplexity/sonar-deep-research",
        "perplexity/sonar-pro",
        "perplexity/sonar-reasoning",
        "perplexity/sonar-reasoning-pro",
    ),
}


def test_prices_agree_with_genai_prices_but_for_the_known_disagreements() -> None:
    compared = [(key, profile, ours == theirs) for key, profile, ours, theirs in _comparisons()]

    disagreeing = {key for key, _profile, agrees in compared if not agrees}
    agreeing = [key for key, _profile, agrees in compared if agrees]
    assert len(agreeing) > 4 * (len(compared) - len(agreeing))
    if version("litellm").startswith(COMPARED[0]) and version("genai-prices") == COMPARED[1]:
        assert len(agreeing) > 1000
        assert disagreeing == {key for keys in DISAGREEMENTS.values() for key in keys}


def _comparisons() -> Iterator[tuple[str, str, Decimal | None, Decimal]]:
    assert price_map_version()  # loads LiteLLM the way that the product does, without its network
    import litellm

    entries: dict[str, dict[str, Any]] = litellm.model_cost
    for key, entry in entries.items():
        vendor = entry.get("litellm_provider")
        if vendor not in VENDORS or entry.get("mode") not in ("chat", "responses"):
            continue
        for profile, tokens in PROFILES.items():
            theirs = _their_amount(key.removeprefix(f"{vendor}/"), VENDORS[vendor], tokens)
            if theirs is not None:
                yield key, profile, _our_amount(key, vendor, tokens), theirs


def _our_amount(key: str, vendor: str, tokens: dict[str, Any]) -> Decimal | None:
    usage = Usage(source=UsageSource.PROVIDER, **tokens)
    target = make_target(provider=vendor, request_model=key.removeprefix(f"{vendor}/"), litellm_model=key)
    price = PriceMap().price_of(target, ResponseFacts(usage=usage), AT)
    return compute_amount(usage, price) if price else None


def _their_amount(model: str, vendor: str, tokens: dict[str, int]) -> Decimal | None:
    try:
        price = genai_prices.calc_price(
            genai_prices.Usage(**tokens), model_ref=model, provider_id=vendor, genai_request_timestamp=AT
        )
    except LookupError:
        return None
    amount: Decimal = price.total_price
    return amount
