"""An answer of the price map holds as long as nothing that it was read from has changed, and is the one that a new map would give."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.price_memo import MAX_QUESTIONS, PriceMemo
from agentcore_metering.core.types import ResponseFacts, Usage, UsageSource
from tests.fakes import NOON, make_target

MODEL = "gpt-x"


def make_entry(**more: Any) -> dict[str, Any]:
    return {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, **more}


def facts(tokens: int = 10, **raw: Any) -> ResponseFacts:
    return ResponseFacts(usage=Usage(input_tokens=tokens, output_tokens=1, source=UsageSource.PROVIDER, raw=raw))


class CountingMap:
    """A map of prices that counts how often one was worked out: at each time its version is asked for."""

    def __init__(self, **entries: Any) -> None:
        self.entries = entries
        self.worked_out = 0
        self.prices = PriceMap(self.entries.get, self._version)

    def _version(self) -> str:
        self.worked_out += 1
        return "test"

    def input_price(self, given: ResponseFacts | None = None, **target: Any) -> str | None:
        named = make_target(request_model=MODEL, litellm_model=f"openai/{MODEL}", **target)
        price = self.prices.price_of(named, given or facts(), NOON)
        return str(price.unit_prices["input"]) if price else None  # type: ignore[index]  # a StrEnum's text


def test_same_question_is_worked_out_once() -> None:
    prices = CountingMap(**{MODEL: make_entry()})

    assert [prices.input_price() for _ in range(3)] == ["0.000001"] * 3
    assert prices.worked_out == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries[MODEL].update(input_cost_per_token=3e-6),
        lambda entries: entries.update({MODEL: make_entry(input_cost_per_token=3e-6)}),
        lambda entries: entries.update({f"openai/{MODEL}": make_entry(input_cost_per_token=3e-6)}),
        lambda entries: entries.pop(MODEL),
    ],
    ids=["in place", "replaced", "a better key", "removed"],
)
def test_change_of_the_map_counts_at_once(change: Any) -> None:
    prices = CountingMap(**{MODEL: make_entry()})
    prices.input_price()

    change(prices.entries)

    assert prices.input_price() == CountingMap(**prices.entries).input_price() != "0.000001"


def test_change_inside_an_entry_counts_too() -> None:
    prices = CountingMap(**{MODEL: make_entry(provider_specific_entry={"fast": 2.0})})
    assert prices.input_price(facts(speed="fast")) == "0.0000020"

    prices.entries[MODEL]["provider_specific_entry"]["fast"] = 6.0

    assert prices.input_price(facts(speed="fast")) == "0.0000060"


def test_price_of_an_hour_is_not_kept() -> None:
    off_peak = {"hours_utc": "22:00-23:00", "input_cost_per_token": 5e-7}
    prices = PriceMap({MODEL: make_entry(off_peak_pricing=off_peak)}.get, lambda: "test")
    target = make_target(request_model=MODEL, litellm_model=f"openai/{MODEL}")

    found = [prices.price_of(target, facts(), datetime(2026, 11, 24, hour, 30, tzinfo=UTC)) for hour in (21, 22, 23)]

    assert [price.tier for price in found if price] == ["", "off_peak", ""]


def test_unanswered_questions_are_not_kept_for_ever() -> None:
    memo: PriceMemo[int] = PriceMemo()

    for number in range(MAX_QUESTIONS + 5):
        memo.answer(number, 0, lambda key: None, lambda look_up, number=number: number)  # type: ignore[misc]

    assert len(memo._answers) == 5


ENTRIES = st.fixed_dictionaries(
    {"litellm_provider": st.just("openai"), "input_cost_per_token": st.sampled_from([1e-6, 2e-6])},
    optional={
        "output_cost_per_token": st.sampled_from([2e-6, 3e-6]),
        "input_cost_per_token_above_200k_tokens": st.sampled_from([4e-6, 5e-6]),
        "input_cost_per_token_above_1000_tokens_priority": st.just(7e-6),
        "input_cost_per_token_flex": st.just(5e-7),
        "cache_creation_input_token_cost_above_1hr": st.just(9e-6),
        "tiered_pricing": st.just([{"range": [0, 500], "input_cost_per_token": 1e-7, "output_cost_per_token": 2e-7}]),
        "provider_specific_entry": st.just({"fast": 6.0, "us": 1.1}),
        "output_cost_per_image": st.just(0.04),
    },
)
CALLS = st.builds(
    lambda tokens, tier, served, speed, geo, host: (
        make_target(
            request_model=MODEL,
            litellm_model=f"openai/{MODEL}",
            requested_service_tier=tier,
            server_address=host,
        ),
        ResponseFacts(
            usage=Usage(input_tokens=tokens, source=UsageSource.PROVIDER, raw={"speed": speed, "inference_geo": geo}),
            response_model=served,
        ),
    ),
    st.sampled_from([0, 1, 499, 500, 501, 999, 1000, 1001, 199_999, 200_000, 200_001]),
    st.sampled_from([None, "flex", "priority", "unheard-of"]),
    st.sampled_from([None, MODEL, "gpt-y"]),
    st.sampled_from([None, "fast", "slow", ["odd"]]),
    st.sampled_from([None, "us", "mars", {"odd": 1}]),
    st.sampled_from([None, "api.openai.com", "eu.api.openai.com"]),
)


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from([MODEL, "gpt-y"]), ENTRIES), st.lists(CALLS, max_size=6)), max_size=4
    )
)
def test_answer_is_the_one_of_a_new_map(course: list[tuple[dict[str, Any], list[Any]]]) -> None:
    entries: dict[str, Any] = {}
    kept = PriceMap(entries.get, lambda: "test")
    for now, calls in course:
        for key in set(entries) - set(now):
            del entries[key]
        for key, entry in now.items():
            entries.setdefault(key, {}).clear()
            entries[key].update(entry)
        for target, given_facts in calls:
            fresh = PriceMap(entries.get, lambda: "test")
            assert kept.explain(target, given_facts, NOON) == fresh.explain(target, given_facts, NOON)
