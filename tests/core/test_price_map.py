"""Which entry of the price map is a model's, and what tier, hour and place make of it; the live map for a few plain facts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import pytest

from agentcore_metering.core.off_peak import off_peak_prices
from agentcore_metering.core.price_entry import is_regional, tier_of
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import compute_amount
from agentcore_metering.core.providers import get_provider
from agentcore_metering.core.routing import find_route
from agentcore_metering.core.types import ResponseFacts, TokenClass, Usage, UsageSource
from tests.core.test_golden import PINNED
from tests.fakes import NOON, make_target


def make_map(**entries: dict[str, Any]) -> PriceMap:
    return PriceMap(entries.get, lambda: "test")


def make_entry(provider: str = "openai", **more: Any) -> dict[str, Any]:
    return {"litellm_provider": provider, "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, **more}


def found_key(prices: PriceMap, provider: str, model: str, served: str | None = None) -> str | None:
    route = find_route(get_provider(provider), model)
    target = make_target(provider=provider, request_model=route.request_model, litellm_model=route.litellm_model)
    price, reason = prices.explain(target, ResponseFacts(response_model=served), NOON)
    return reason if price else None


@pytest.mark.parametrize(
    ("provider", "model", "served", "key", "owner"),
    [
        ("openai", "gpt-x", None, "gpt-x", "openai"),
        ("openai", "gpt-x", "gpt-x-2026", "gpt-x-2026", "openai"),
        ("openai", "gpt-x", "unlisted", "gpt-x", "openai"),
        ("openai", "gpt-x", "openai/gpt-x", "gpt-x", "openai"),
        ("vertex_ai", "gemini-x", None, "gemini-x", "vertex_ai-language-models"),
        ("bedrock", "us.amazon.x", None, "us.amazon.x", "bedrock_converse"),
        ("bedrock", "invoke/amazon.x", None, "amazon.x", "bedrock"),
        ("cohere", "command", None, "command", "cohere_chat"),
        ("amazon_nova", "micro", None, "amazon-nova/micro", "amazon_nova"),
        ("perplexity", "perplexity/perplexity/kimi", None, "perplexity/perplexity/kimi", "perplexity"),
        ("azure_openai", "dep", "gpt-x", "azure/gpt-x", "azure"),
        ("moonshot", "kimi", "moonshot/kimi", "moonshot/kimi", "moonshot"),
        ("openai", "groq/llama", None, "groq/llama", "groq"),
        ("openai", "groq/llama", "llama-2026", "groq/llama-2026", "groq"),
        ("openai", "azure/dep", "gpt-x", "azure/gpt-x", "azure"),
    ],
)
def test_model_is_found_under_its_key(provider: str, model: str, served: str | None, key: str, owner: str) -> None:
    assert found_key(make_map(**{key: make_entry(owner)}), provider, model, served) == key


@pytest.mark.parametrize(
    ("provider", "model", "served", "key", "owner"),
    [
        ("azure_openai", "gpt-x", None, "azure/gpt-x", "azure"),
        ("azure_openai", "gpt-x", "gpt-x", "azure/gpt-x", "azure_ai"),
        ("anthropic", "gpt-x", None, "gpt-x", "openai"),
        ("openai_compatible", "gpt-x", "gpt-x", "gpt-x", "openai"),
        ("openai_compatible", "groq/llama", "groq/llama", "groq/llama", "groq"),
        ("agione", "groq/llama", "groq/llama", "groq/llama", "groq"),
        ("openai", "groq/gpt-x", "gpt-x", "gpt-x", "openai"),
        ("openai", "azure/gpt-x", None, "azure/gpt-x", "azure"),
        ("openai", "litellm_proxy/gpt-x", "gpt-x", "gpt-x", "litellm_proxy"),
        ("openai", "gpt-x", None, "gpt-x", "openai_other"),
        ("", "gpt-x", None, "gpt-x", "openai"),
        ("openai", "gpt-x", None, "gpt-x", ""),
    ],
)
def test_model_of_somebody_else_is_not_found(
    provider: str, model: str, served: str | None, key: str, owner: str
) -> None:
    assert found_key(make_map(**{key: make_entry(owner)}), provider, model, served) is None


@pytest.mark.parametrize(
    ("served", "asked", "expected"),
    [
        (None, None, ""),
        (None, "auto", ""),
        ("auto", "flex", "flex"),
        ("default", "priority", ""),
        ("standard", None, ""),
        ("Priority", None, "priority"),
        ("ON_DEMAND_FLEX", None, "flex"),
        ("batch", None, "batches"),
        ("scale", None, "scale"),
    ],
)
def test_tier_served_wins_over_tier_asked_for(served: str | None, asked: str | None, expected: str) -> None:
    assert tier_of(make_target(requested_service_tier=asked), ResponseFacts(service_tier=served)) == expected


@pytest.mark.parametrize(
    ("block", "at", "is_off_peak"),
    [
        ({"hours_utc": "16:30-00:30"}, "2026-11-24T16:30:00", True),
        ({"hours_utc": "16:30-00:30"}, "2026-11-24T00:29:59", True),
        ({"hours_utc": "16:30-00:30"}, "2026-11-24T00:30:00", False),
        ({"hours_utc": ["04:00-06:00", "10:00-11:00"]}, "2026-11-24T05:00:00", True),
        ({"hours_utc": ["04:00-06:00", "10:00-11:00"]}, "2026-11-24T07:00:00", False),
        ({"windows": [{"hours_utc": "00:00-00:00", "weekdays": ["sat", "Sunday"]}]}, "2026-11-28T07:00:00", True),
        ({"windows": [{"hours_utc": "00:00-00:00", "weekdays": ["sat", "Sunday"]}]}, "2026-11-27T07:00:00", False),
        # Friday 17:00 UTC is Saturday in Shanghai
        (
            {
                "weekday_timezone": "Asia/Shanghai",
                "windows": [{"hours_utc": "16:00-20:00", "weekdays": [6]}],
            },
            "2026-11-27T17:00:00",
            True,
        ),
        (
            {"weekday_timezone": "Nowhere/At-all", "windows": [{"hours_utc": "16:00-20:00"}]},
            "2026-11-27T17:00:00",
            True,
        ),
        ({"hours_utc": "whenever"}, "2026-11-27T17:00:00", False),
        (
            {"hours_utc": 5, "windows": [5, {"hours_utc": "16:00-20:00", "weekdays": "all"}]},
            "2026-11-27T17:00:00",
            False,
        ),
        ("cheap", "2026-11-27T17:00:00", False),
    ],
)
def test_off_peak_hours(block: Any, at: str, is_off_peak: bool) -> None:
    assert (
        bool(off_peak_prices({"off_peak_pricing": block}, datetime.fromisoformat(at).replace(tzinfo=UTC)))
        is is_off_peak
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [("eu.api.openai.com", True), ("api.openai.com", False), ("eu.api.openai.com.evil.example", False), (None, False)],
)
def test_regional_hosts(host: str | None, expected: bool) -> None:
    assert is_regional(make_target(server_address=host)) is expected


@pytest.mark.parametrize("price", [None, True, "much", float("nan"), -1e-6, {}])
def test_a_figure_that_is_no_price_is_none(price: Any) -> None:
    prices = make_map(x={"litellm_provider": "openai", "input_cost_per_token": price})

    assert prices.price_of(make_target(request_model="x"), ResponseFacts(), NOON) is None


def test_the_highest_threshold_that_is_crossed_counts() -> None:
    entry = make_entry(
        input_cost_per_token_above_128k_tokens=3e-6,
        output_cost_per_token_above_128k_tokens=4e-6,
        input_cost_per_token_above_512k_tokens=5e-6,
    )
    facts = ResponseFacts(usage=Usage(input_tokens=600_000, source=UsageSource.PROVIDER))

    price = make_map(x=entry).price_of(make_target(request_model="x"), facts, NOON)

    assert price is not None
    # The output has no price past 512k: that of 128k, which it is past too, holds.
    assert (price.unit_prices[TokenClass.INPUT], price.unit_prices[TokenClass.OUTPUT]) == (
        Decimal("5e-6"),
        Decimal("4e-6"),
    )
    assert price.tier == "above_512k"


@pytest.mark.parametrize("rows", [[], [{"range": [0]}], [{"range": [0, 10]}], "cheap"])
def test_a_table_that_cannot_be_read_prices_nothing(rows: Any) -> None:
    prices = make_map(x={"litellm_provider": "openai", "tiered_pricing": rows})

    assert prices.price_of(make_target(request_model="x"), ResponseFacts(), NOON) is None


def test_a_table_of_input_prices_leaves_the_output_at_the_models_own() -> None:
    entry = make_entry(tiered_pricing=[{"range": [0, 100], "input_cost_per_token": 7e-6}])
    usage = Usage(input_tokens=10, output_tokens=1, source=UsageSource.PROVIDER)

    price = make_map(x=entry).price_of(make_target(request_model="x"), ResponseFacts(usage=usage), NOON)

    assert price is not None
    assert compute_amount(usage, price) == Decimal("0.000072")  # 10*7e-6 + 1*2e-6


@pytest.mark.parametrize("key", ["gpt-4o-mini", "gpt-5", "claude-sonnet-4-5", "deepseek/deepseek-chat", "tts-1"])
def test_the_live_map_has_the_pinned_prices(key: str) -> None:
    provider, _, model = key.rpartition("/")
    owner = provider or PINNED[key]["litellm_provider"]
    target = make_target(provider=owner, request_model=model, litellm_model=key)

    live = PriceMap().price_of(target, ResponseFacts(), NOON)

    pinned = PriceMap(PINNED.get, lambda: "pinned").price_of(target, ResponseFacts(), NOON)
    assert live is not None
    assert pinned is not None
    assert (live.unit_prices, live.currency) == (pinned.unit_prices, pinned.currency)
    assert pinned.per_unit.items() <= live.per_unit.items()


def test_a_multiplied_price_is_exact_whatever_number_of_digits_the_host_computes_with() -> None:
    entry = make_entry("anthropic", input_cost_per_token=1.2345678e-6, provider_specific_entry={"us": 1.1})
    usage = Usage(input_tokens=1, source=UsageSource.PROVIDER, raw={"inference_geo": "us"})
    target = make_target(provider="anthropic", request_model="m", litellm_model="anthropic/m")

    with localcontext(prec=3):
        price = make_map(m=entry).price_of(target, ResponseFacts(usage=usage), NOON)

    assert price is not None
    assert price.unit_prices[TokenClass.INPUT] == Decimal("0.00000135802458")
