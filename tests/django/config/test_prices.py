"""An operator's prices: which one is in force for which model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.models import LLMPrice
from agentcore_metering.adapters.django.models.price import PRICE_FIELDS
from agentcore_metering.core.types import CostSource, Price, ResponseFacts, TokenClass, Usage
from tests.fakes import NOON, make_target

pytestmark = pytest.mark.django_db

SERVED = ResponseFacts(response_model="gpt-4o-mini-2024-07-18")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def make_price(pattern: str = "gpt-4o*", **fields: Any) -> LLMPrice:
    values = {"input_per_1m": Decimal("2.5"), "output_per_1m": Decimal(10), "valid_from": LONG_AGO, **fields}
    return LLMPrice.objects.create(model_pattern=pattern, **values)


def make_prices() -> OperatorPrices:
    prices = OperatorPrices()
    prices.refresh()
    return prices


def test_prices_are_per_token_and_exact() -> None:
    row = make_price(currency="CNY", cache_read_per_1m=Decimal("0.000001"))

    price = make_prices().price_of(make_target(), ResponseFacts(), NOON)

    assert price is not None
    assert price.unit_prices == {
        TokenClass.INPUT: Decimal("0.0000025"),
        TokenClass.OUTPUT: Decimal("0.00001"),
        TokenClass.CACHE_READ: Decimal("1e-12"),
    }
    assert (price.currency, price.source, price.version) == ("CNY", CostSource.OPERATOR, f"llm_price {row.pk}")


def test_prices_are_exact_whatever_number_of_digits_the_host_computes_with() -> None:
    make_price(input_per_1m=Decimal("12345.678901234567"))

    with localcontext(prec=4):
        price = make_prices().price_of(make_target(), ResponseFacts(), NOON)

    assert price is not None
    assert price.unit_prices[TokenClass.INPUT] == Decimal("0.012345678901234567")


@pytest.mark.parametrize(
    ("fields", "is_found"),
    [
        ({}, True),
        ({"pattern": "*"}, True),
        ({"pattern": "openai/gpt-4o-mini"}, True),
        ({"pattern": "gpt-4o-mini-2024-07-18"}, True),
        ({"pattern": "claude*"}, False),
        ({"provider": "openai"}, True),
        ({"provider": "anthropic"}, False),
        ({"valid_from": NOON + timedelta(seconds=1)}, False),
        ({"valid_to": NOON}, False),
        ({"valid_to": NOON + timedelta(seconds=1)}, True),
    ],
)
def test_a_price_fits_by_provider_pattern_and_time(fields: dict[str, Any], is_found: bool) -> None:
    make_price(**fields)

    assert (make_prices().price_of(make_target(), SERVED, NOON) is not None) is is_found


@pytest.mark.parametrize(
    ("provider", "is_found"),
    [("groq", True), ("openai", True), ("", True), ("mistral", False), ("azure_openai", False)],
)
def test_a_price_fits_by_the_provider_that_the_models_prefix_leads_to(provider: str, is_found: bool) -> None:
    make_price("llama*", provider=provider)
    target = make_target(provider="openai", request_model="llama-3", litellm_model="groq/llama-3")

    assert (make_prices().price_of(target, ResponseFacts(), NOON) is not None) is is_found


@pytest.mark.parametrize(
    ("provider", "litellm_model", "is_found"),
    [
        ("openai", "azure/gpt-4o", True),
        ("openai_compatible", "openai/azure/gpt-4o", False),
        ("azure_openai", "azure/gpt-4o", True),
    ],
)
def test_a_listed_providers_price_fits_under_its_own_id(provider: str, litellm_model: str, is_found: bool) -> None:
    make_price("gpt-4o*", provider="azure_openai")
    target = make_target(provider=provider, request_model="gpt-4o", litellm_model=litellm_model)

    assert (make_prices().price_of(target, ResponseFacts(), NOON) is not None) is is_found


def test_an_openai_price_is_not_a_gateways() -> None:
    make_price(provider="openai")
    target = make_target(provider="openai_compatible", litellm_model="openai/gpt-4o-mini")

    assert make_prices().price_of(target, ResponseFacts(), NOON) is None


def test_the_newest_price_in_force_wins() -> None:
    make_price(input_per_1m=Decimal(1))
    make_price(input_per_1m=Decimal(2), valid_from=NOON - timedelta(days=1))

    price = make_prices().price_of(make_target(), ResponseFacts(), NOON)

    assert price is not None
    assert price.unit_prices[TokenClass.INPUT] == Decimal("0.000002")


def test_asking_for_a_price_queries_nothing(django_assert_num_queries: Any) -> None:
    make_price()
    prices = make_prices()

    with django_assert_num_queries(0):
        prices.price_of(make_target(), ResponseFacts(), NOON)


def price_for(facts: ResponseFacts = SERVED, **target: Any) -> Price | None:
    return make_prices().price_of(make_target(**target), facts, NOON)


def first_input(price: Price | None) -> Decimal:
    assert price is not None
    return price.unit_prices[TokenClass.INPUT] * 1_000_000


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        pytest.param({"provider": "openai", "pattern": "*"}, {"pattern": "gpt-4o-mini"}, id="its-provider-before-any"),
        pytest.param({"pattern": "gpt-4o-m*"}, {"pattern": "gpt-4*"}, id="more-letters"),
        pytest.param({"pattern": "gpt-4o-mini"}, {"pattern": "gpt-4o-mini*"}, id="no-star-before-a-star"),
        pytest.param({"service_tier": ""}, {"service_tier": "*"}, id="its-tier-before-any"),
        pytest.param({"above_input_tokens": 500}, {"above_input_tokens": 0}, id="the-higher-threshold"),
        pytest.param({"valid_from": NOON - timedelta(days=1)}, {}, id="the-newest"),
        pytest.param({}, {"valid_from": None}, id="some-begin-before-none"),
    ],
)
@pytest.mark.parametrize("is_winner_first", [True, False])
def test_of_several_prices_the_most_particular_wins(
    winner: dict[str, Any], loser: dict[str, Any], is_winner_first: bool
) -> None:
    both = [{**winner, "input_per_1m": 7}, {**loser, "input_per_1m": 1}]
    for fields in both if is_winner_first else reversed(both):
        make_price(**fields)

    facts = ResponseFacts(usage=Usage(input_tokens=501), response_model="gpt-4o-mini-2024-07-18")
    assert first_input(price_for(facts)) == 7


@pytest.mark.parametrize(
    ("stored", "served", "asked", "is_found"),
    [
        ("", None, None, True),
        ("", "default", "flex", True),
        ("", "flex", None, False),
        ("flex", "flex", None, True),
        ("flex", None, "flex", True),
        ("flex", None, None, False),
        ("batch", "batches", None, True),
        ("scale", "scale", None, True),
        ("*", "scale", None, True),
        ("*", None, None, True),
    ],
)
def test_a_price_fits_by_service_tier(stored: str, served: str | None, asked: str | None, is_found: bool) -> None:
    make_price(service_tier=stored)

    price = price_for(ResponseFacts(service_tier=served), requested_service_tier=asked)

    assert (price is not None) is is_found


@pytest.mark.parametrize(("input_tokens", "expected"), [(128_000, 1), (128_001, 2), (1_000_000, 2)])
def test_a_price_fits_by_the_prompts_length(input_tokens: int, expected: int) -> None:
    make_price(input_per_1m=1)
    make_price(input_per_1m=2, above_input_tokens=128_000)

    price = price_for(ResponseFacts(usage=Usage(input_tokens=input_tokens)))

    assert first_input(price) == expected
    assert price is not None
    assert price.tier == ("above_128000" if expected == 2 else "")


def test_only_the_star_is_a_wildcard() -> None:
    make_price(pattern="model[1m]?")

    assert price_for(request_model="model[1m]?", litellm_model="x") is not None
    assert price_for(request_model="modelmx", litellm_model="x") is None


def test_every_column_reaches_its_class_or_unit() -> None:
    columns = {name: Decimal(number) for number, name in enumerate(PRICE_FIELDS, start=1)}
    make_price(**columns)

    price = price_for()

    assert price is not None
    by_class = {token_class.value: amount * 1_000_000 for token_class, amount in price.unit_prices.items()}
    assert by_class == {name.removesuffix("_per_1m"): amount for name, amount in columns.items() if "_per_1m" in name}
    assert sorted(price.per_unit.values()) == [columns[name] for name in PRICE_FIELDS if "_per_1m" not in name]


def test_a_second_price_from_the_same_moment_is_refused() -> None:
    first = make_price()
    twin = LLMPrice(model_pattern="gpt-4o*", input_per_1m=1, output_per_1m=1, valid_from=LONG_AGO)

    with pytest.raises(ValidationError, match="begins at the same time"):
        twin.full_clean()

    first.full_clean()
    twin.service_tier = " Flex "
    twin.full_clean()
    assert twin.service_tier == "flex"


@pytest.mark.parametrize("name", ["cache_write_1h_per_1m", "per_image"])
def test_a_negative_price_is_refused(name: str) -> None:
    price = LLMPrice(model_pattern="x", input_per_1m=1, output_per_1m=1, **{name: Decimal(-1)})

    with pytest.raises(ValidationError, match="cannot be negative"):
        price.full_clean()
