"""Every hand-computed case of `golden/*.toml`: tokens, cost, currency and status, to the last digit."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agentcore_metering.core.chunks import StreamAccumulator
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import PriceBook, price_attempt
from agentcore_metering.core.responses import read_facts
from agentcore_metering.core.types import CostSource, ModelTarget, Price, ResponseFacts, TokenClass
from agentcore_metering.core.usage import with_estimate
from tests.fakes import NOON, FixedPrices, ScriptedBackend, make_request, make_target

GOLDEN = Path(__file__).parent / "golden"

TOKEN_FIELDS = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "input_audio",
    "input_image",
    "input_video",
    "cache_read_audio",
    "cache_read_image",
    "output_audio",
    "output_image",
    "output_video",
)


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


PINNED = read_toml(GOLDEN / "prices.toml")
CASES = [
    case for path in sorted(GOLDEN.glob("*.toml")) if path.name != "prices.toml" for case in read_toml(path)["case"]
]


def test_there_are_enough_cases_and_each_has_its_own_name() -> None:
    names = [case["name"] for case in CASES]

    assert len(names) >= 200
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_golden_case_gives_its_tokens_and_its_cost(case: dict[str, Any]) -> None:
    target, facts = make_case_target(case), make_facts(case)
    at = datetime.fromisoformat(case["at"]) if "at" in case else NOON

    cost, status = price_attempt(target, facts, make_prices(case), at)

    usage = facts.usage
    tokens = {name: count for name in TOKEN_FIELDS if (count := getattr(usage, f"{name}_tokens"))}
    assert tokens == {name: count for name, count in case["tokens"].items() if count}
    assert usage.source.value == case["usage_source"]
    assert list(usage.anomalies) == case.get("anomalies", [])
    assert status.value == case["status"]
    told = (None, None) if cost is None else (format(cost.amount, "f"), cost.currency)
    assert told == (case.get("cost"), case.get("currency"))
    if "computed" in case:
        assert cost is not None
        assert cost.source is CostSource.PROVIDER
        assert cost.computed_amount == Decimal(case["computed"])


def make_case_target(case: Mapping[str, Any]) -> ModelTarget:
    return make_target(
        provider=case["provider"],
        request_model=case["model"],
        litellm_model=f"{case['provider']}/{case['model']}",
        requested_service_tier=case.get("tier_requested"),
        server_address=case.get("server"),
        cost_currency=case.get("cost_currency", "USD"),
    )


def make_facts(case: Mapping[str, Any]) -> ResponseFacts:
    facts = _streamed_facts(case) if "chunks" in case else read_facts(_response(case))
    units = {unit: Decimal(quantity) for unit, quantity in case.get("units", {}).items()}
    return replace(facts, units={**facts.units, **units})


def make_prices(case: Mapping[str, Any]) -> PriceBook:
    price_map = PriceMap(PINNED.get, lambda: "pinned")
    operator = case.get("operator")
    return PriceBook([FixedPrices(_operator_price(operator)), price_map] if operator else [price_map])


def _operator_price(columns: Mapping[str, Any]) -> Price:
    million = Decimal(1_000_000)
    unit_prices = {
        token_class: Decimal(columns[token_class.value]) / million
        for token_class in TokenClass
        if token_class.value in columns
    }
    per_unit = {unit: Decimal(price) for unit, price in columns.get("per_unit", {}).items()}
    return Price(columns["currency"], unit_prices, CostSource.OPERATOR, "golden", per_unit=per_unit)


def _response(case: Mapping[str, Any]) -> dict[str, Any]:
    choice = {"message": {"content": "hello"}, "finish_reason": "stop", "usage": case.get("choice_usage")}
    return {
        "model": case.get("served"),
        "service_tier": case.get("tier_served"),
        "choices": [choice],
        "usage": case.get("usage"),
    }


def _streamed_facts(case: Mapping[str, Any]) -> ResponseFacts:
    accumulator = StreamAccumulator()
    for chunk in case["chunks"]:
        accumulator.feed(_chunk(chunk, case))
    is_cut = case.get("cut", False)
    return with_estimate(accumulator.facts, ScriptedBackend(), make_request(), accumulator.text, is_cut=is_cut)


def _chunk(told: Mapping[str, Any], case: Mapping[str, Any]) -> dict[str, Any]:
    choice = {
        "delta": {"content": told.get("text")},
        "finish_reason": told.get("finish"),
        "usage": told.get("choice_usage"),
    }
    has_choice = any(name in told for name in ("text", "finish", "choice_usage"))
    return {"model": case.get("served"), "choices": [choice] if has_choice else [], "usage": told.get("usage")}
