"""An operator's prices: which one is in force for which model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.models import LLMPrice
from agentcore_metering.core.types import CostSource, TokenClass
from tests.fakes import NOON, make_target

pytestmark = pytest.mark.django_db

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

    price = make_prices().price_of(make_target(), None, NOON)

    assert price is not None
    assert price.unit_prices == {
        TokenClass.INPUT: Decimal("0.0000025"),
        TokenClass.OUTPUT: Decimal("0.00001"),
        TokenClass.CACHE_READ: Decimal("1e-12"),
    }
    assert (price.currency, price.source, price.version) == ("CNY", CostSource.OPERATOR, f"llm_price {row.pk}")


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

    assert (make_prices().price_of(make_target(), "gpt-4o-mini-2024-07-18", NOON) is not None) is is_found


def test_the_newest_price_in_force_wins() -> None:
    make_price(input_per_1m=Decimal(1))
    make_price(input_per_1m=Decimal(2), valid_from=NOON - timedelta(days=1))

    price = make_prices().price_of(make_target(), None, NOON)

    assert price is not None
    assert price.unit_prices[TokenClass.INPUT] == Decimal("0.000002")


def test_asking_for_a_price_queries_nothing(django_assert_num_queries: Any) -> None:
    make_price()
    prices = make_prices()

    with django_assert_num_queries(0):
        prices.price_of(make_target(), None, NOON)
