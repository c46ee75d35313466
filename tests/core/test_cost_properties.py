"""What holds for any usage, any price and any way of cutting a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentcore_metering.core.chunks import StreamAccumulator
from agentcore_metering.core.payload import merged
from agentcore_metering.core.pricing import compute_amount, unit_price_of
from agentcore_metering.core.responses import read_facts
from agentcore_metering.core.types import CostSource, Price, TokenClass, Usage
from agentcore_metering.core.usage import extract_usage, tokens_by_class

COUNTS = st.integers(-5, 2_000_000)
SMALL = st.integers(0, 5_000)

PAYLOADS = st.fixed_dictionaries(
    {"prompt_tokens": COUNTS, "completion_tokens": COUNTS},
    optional={
        "prompt_tokens_details": st.fixed_dictionaries(
            {},
            optional={
                "cached_tokens": COUNTS,
                "cache_creation_tokens": COUNTS,
                "cache_creation_token_details": st.fixed_dictionaries(
                    {"ephemeral_5m_input_tokens": SMALL, "ephemeral_1h_input_tokens": SMALL}
                ),
                "audio_tokens": COUNTS,
                "image_tokens": COUNTS,
                "video_tokens": COUNTS,
                "cached_tokens_details": st.fixed_dictionaries({"audio_tokens": COUNTS, "image_tokens": COUNTS}),
            },
        ),
        "completion_tokens_details": st.fixed_dictionaries(
            {},
            optional={
                "reasoning_tokens": COUNTS,
                "audio_tokens": COUNTS,
                "image_tokens": COUNTS,
                "video_tokens": COUNTS,
            },
        ),
    },
)
USAGES = PAYLOADS.map(extract_usage)
UNIT_PRICES = st.dictionaries(
    st.sampled_from(list(TokenClass)), st.integers(0, 10**9).map(lambda pico: Decimal(pico).scaleb(-12)), min_size=1
)


def make_price(unit_prices: Mapping[TokenClass, Decimal]) -> Price:
    whole = {TokenClass.INPUT: Decimal("1e-6"), TokenClass.OUTPUT: Decimal("2e-6"), **unit_prices}
    return Price("USD", whole, CostSource.OPERATOR, "test")


@given(USAGES)
def test_classes_are_disjoint_and_add_up_to_the_total(usage: Usage) -> None:
    tokens = tokens_by_class(usage)

    assert set(tokens) == set(TokenClass)
    assert min(tokens.values()) >= 0
    assert sum(tokens.values()) == usage.total_tokens


@given(USAGES, UNIT_PRICES)
def test_cost_is_the_sum_over_the_classes(usage: Usage, unit_prices: dict[TokenClass, Decimal]) -> None:
    price = make_price(unit_prices)
    parts = [
        (count, unit_price_of(price, token_class)) for token_class, count in tokens_by_class(usage).items() if count
    ]

    amount = compute_amount(usage, price)

    if any(unit_price is None for _count, unit_price in parts):
        assert amount is None
    else:
        assert amount == sum((count * (unit_price or 0) for count, unit_price in parts), Decimal(0))


@given(USAGES, UNIT_PRICES, st.integers(2, 50))
def test_cost_of_many_equal_calls_is_that_many_times_the_cost(
    usage: Usage, unit_prices: dict[TokenClass, Decimal], times: int
) -> None:
    price = make_price(unit_prices)
    one = compute_amount(usage, price)
    names = [name for name in Usage.__slots__ if name.endswith("_tokens")]

    many = compute_amount(replace(usage, **{name: times * getattr(usage, name) for name in names}), price)

    assert many == (None if one is None else times * one)


@given(PAYLOADS)
def test_reading_a_usage_again_from_its_raw_form_gives_the_same(payload: dict[str, Any]) -> None:
    usage = extract_usage(payload)

    assert extract_usage(usage.raw) == usage


@given(PAYLOADS, st.lists(st.text(min_size=1, max_size=8), max_size=6), st.data())
def test_a_response_in_chunks_of_any_size_is_the_whole(
    payload: dict[str, Any], texts: list[str], data: st.DataObject
) -> None:
    whole = {
        "model": "m",
        "choices": [{"message": {"content": "".join(texts)}, "finish_reason": "stop"}],
        "usage": payload,
    }
    place = data.draw(st.integers(0, len(texts)))
    chunks = [{"model": "m", "choices": [{"delta": {"content": text}}]} for text in texts]
    chunks.insert(place, {"model": "m", "choices": [], "usage": payload})
    chunks.append({"model": "m", "choices": [{"delta": {}, "finish_reason": "stop"}]})
    accumulator = StreamAccumulator()

    for chunk in chunks:
        accumulator.feed(chunk)

    assert accumulator.facts == read_facts(whole)
    assert "".join(accumulator.content) == "".join(texts)


@given(PAYLOADS)
def test_zeros_after_the_figures_take_nothing_back(payload: dict[str, Any]) -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": None, "completion_tokens_details": {}}

    assert extract_usage(merged(payload, zeros)) == replace(
        extract_usage(payload), raw=extract_usage(merged(payload, zeros)).raw
    )
