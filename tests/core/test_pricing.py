"""Costs to the last digit, and whose figure wins."""

from __future__ import annotations

from decimal import Decimal

import pytest

from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import PriceBook, compute_amount, price_attempt
from agentcore_metering.core.types import (
    Cost,
    CostSource,
    CostStatus,
    Price,
    ResponseFacts,
    TokenClass,
    Usage,
    UsageSource,
)
from tests.fakes import NOON, FixedPrices, make_target

MINI = {
    TokenClass.INPUT: Decimal("1.5e-7"),
    TokenClass.CACHE_READ: Decimal("7.5e-8"),
    TokenClass.OUTPUT: Decimal("6e-7"),
}


def make_price(unit_prices: dict[TokenClass, Decimal] | None = None, currency: str = "USD") -> Price:
    return Price(currency, MINI if unit_prices is None else unit_prices, CostSource.OPERATOR, "test")


def make_usage(input_tokens: int = 0, output_tokens: int = 0, **more: int) -> Usage:
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, source=UsageSource.PROVIDER, **more)


@pytest.mark.parametrize(
    ("usage", "unit_prices", "expected"),
    [
        pytest.param(make_usage(1, 0), MINI, "0.000000150000", id="one-token"),  # 1 * 1.5e-7
        pytest.param(
            make_usage(3, 7), MINI, "0.000004650000", id="where-floats-drift"
        ),  # 3*1.5e-7 + 7*6e-7 = 4.5e-7 + 4.2e-6
        # (100-30)*1.5e-7 + 30*7.5e-8 + 40*6e-7 = 1.05e-5 + 2.25e-6 + 2.4e-5
        pytest.param(make_usage(100, 40, cache_read_tokens=30), MINI, "0.000036750000", id="cached"),
        # cache writes have no price of their own here: 100*1.5e-7
        pytest.param(make_usage(100, 0, cache_write_tokens=20), MINI, "0.000015000000", id="cache-write-as-input"),
        # reasoning has no price of its own: 40*6e-7
        pytest.param(make_usage(0, 40, reasoning_tokens=25), MINI, "0.000024000000", id="reasoning-as-output"),
        # (40-25)*2e-7 + 25*5e-7 = 3e-6 + 1.25e-5
        pytest.param(
            make_usage(0, 40, reasoning_tokens=25),
            {TokenClass.OUTPUT: Decimal("2e-7"), TokenClass.REASONING: Decimal("5e-7")},
            "0.000015500000",
            id="reasoning-by-its-own-price",
        ),
        # the 13th place of 0.0000012345678 is an 8: up
        pytest.param(
            make_usage(1), {TokenClass.INPUT: Decimal("0.0000012345678")}, "0.000001234568", id="thirteen-digits"
        ),
        pytest.param(make_usage(10**9, 10**9), MINI, "750.000000000000", id="a-thousand-million-tokens"),
    ],
)
def test_compute_amount_is_exact(usage: Usage, unit_prices: dict[TokenClass, Decimal], expected: str) -> None:
    assert format(compute_amount(usage, make_price(unit_prices)), "f") == expected


def test_price_attempt_provider_figure_wins_and_the_book_is_kept_beside_it() -> None:
    facts = ResponseFacts(usage=make_usage(10, 0), provider_cost=Decimal("0.95"))

    cost, status = price_attempt(make_target(), facts, FixedPrices(make_price()), NOON)

    assert cost == Cost(Decimal("0.950000000000"), "USD", CostSource.PROVIDER, make_price(), Decimal("0.0000015"))
    assert status is CostStatus.PRICED


def test_price_attempt_without_price_is_unknown_not_zero() -> None:
    assert price_attempt(make_target(), ResponseFacts(usage=make_usage(10)), FixedPrices(), NOON) == (
        None,
        CostStatus.UNPRICED,
    )


def test_price_attempt_without_usage_has_nothing_to_price() -> None:
    assert price_attempt(make_target(), ResponseFacts(), FixedPrices(make_price()), NOON) == (None, CostStatus.NO_USAGE)


def test_price_attempt_with_zero_prices_is_free() -> None:
    free = make_price({TokenClass.INPUT: Decimal(0), TokenClass.OUTPUT: Decimal(0)})

    cost, status = price_attempt(make_target(), ResponseFacts(usage=make_usage(10)), FixedPrices(free), NOON)

    assert cost is not None
    assert cost.amount == 0
    assert status is CostStatus.FREE


def test_price_attempt_keeps_the_currency_of_the_price() -> None:
    cost, _ = price_attempt(
        make_target(), ResponseFacts(usage=make_usage(10)), FixedPrices(make_price(currency="CNY")), NOON
    )

    assert cost is not None
    assert cost.currency == "CNY"


def test_price_book_takes_the_first_source_that_knows() -> None:
    operator, price_map = make_price(currency="CNY"), make_price()

    assert (
        PriceBook([FixedPrices(operator), FixedPrices(price_map)]).price_of(make_target(), ResponseFacts(), NOON)
        is operator
    )
    assert (
        PriceBook([FixedPrices(), FixedPrices(price_map)]).price_of(make_target(), ResponseFacts(), NOON) is price_map
    )
    assert PriceBook([FixedPrices()]).price_of(make_target(), ResponseFacts(), NOON) is None


def test_price_map_gives_exact_list_prices_with_version() -> None:
    price = PriceMap().price_of(make_target(), ResponseFacts(response_model="gpt-4o-mini-2024-07-18"), NOON)

    assert price is not None
    assert price.unit_prices[TokenClass.INPUT] == Decimal("1.5e-7")
    assert price.unit_prices[TokenClass.OUTPUT] == Decimal("6e-7")
    assert price.version.startswith("litellm ")
    assert " sha256:" in price.version


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(make_target(provider="openai_compatible"), id="a-gateway-that-serves-a-famous-name"),
        pytest.param(make_target(provider="hosted_vllm", litellm_model="hosted_vllm/gpt-4o-mini"), id="self-hosted"),
        pytest.param(
            make_target(request_model="nobody-knows-me", litellm_model="openai/nobody-knows-me"), id="unknown-model"
        ),
        pytest.param(
            make_target(provider="anthropic", litellm_model="anthropic/gpt-4o-mini"), id="another-provider's-model"
        ),
    ],
)
def test_price_map_has_no_list_price(target: object) -> None:
    assert PriceMap().price_of(target, ResponseFacts(), NOON) is None  # type: ignore[arg-type]
