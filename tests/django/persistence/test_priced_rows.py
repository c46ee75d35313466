"""A row alone is enough to compute its cost again, whatever its tokens, units and prices were."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.priced_rows import facts_of, recomputed_amount, target_of
from agentcore_metering.adapters.django.persistence.rows import write_rows
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import price_attempt
from agentcore_metering.core.types import AttemptRecord, CostStatus, ResponseFacts
from agentcore_metering.core.usage import extract_usage, tokens_by_class
from agentcore_metering.delivery.codec import encode, read_lines
from tests.core.test_golden import CASES, make_case_target, make_facts, make_prices
from tests.django.persistence.test_rows import make_record
from tests.fakes import NOON, make_target

pytestmark = pytest.mark.django_db


def make_priced_record(case: dict[str, Any]) -> AttemptRecord:
    target, facts = make_case_target(case), make_facts(case)
    cost, status = price_attempt(target, facts, make_prices(case), NOON)
    return make_record(target=target, facts=facts, cost=cost, cost_status=status)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES[::3]])
def test_golden_case_can_be_computed_again_from_its_row(case: dict[str, Any]) -> None:
    record = make_priced_record(case)

    write_rows([record], "default")

    row = LLMUsage.objects.get()
    computed = record.cost.computed_amount or record.cost.amount if record.cost and record.cost.price else None
    assert recomputed_amount(row) == computed
    told = replace(record.facts, provider_cost=None, response_id=None, finish_reason=None)
    kept = replace(told.usage, anomalies=())
    assert facts_of(row) == replace(told, usage=kept)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES[::25]])
def test_golden_case_survives_the_journal(case: dict[str, Any]) -> None:
    record = make_priced_record(case)

    assert list(read_lines(encode(record))) == [record]


def test_target_of_a_row_is_what_its_price_depends_on() -> None:
    target = make_target(requested_service_tier="flex", server_address="eu.api.openai.com")
    write_rows([make_record(target=target)], "default")

    read = target_of(LLMUsage.objects.get())

    assert (read.provider, read.request_model, read.litellm_model) == ("openai", "gpt-4o-mini", "openai/gpt-4o-mini")
    assert (read.requested_service_tier, read.server_address) == ("flex", "eu.api.openai.com")


def test_the_snapshot_holds_the_prices_of_the_tier_that_was_applied() -> None:
    facts = ResponseFacts(
        usage=extract_usage({"prompt_tokens": 1000, "completion_tokens": 10}),
        response_model="gpt-5",
        service_tier="flex",
    )
    target = make_target(request_model="gpt-5")
    cost, status = price_attempt(target, facts, PriceMap(), NOON)
    write_rows([make_record(target=target, facts=facts, cost=cost, cost_status=status)], "default")

    row = LLMUsage.objects.get()

    assert status is CostStatus.PRICED
    assert row.cost == Decimal("0.000675")  # 1000*6.25e-7 + 10*5e-6
    assert row.price_snapshot["tier"] == "flex"
    assert row.price_snapshot["per_token"]["input"] == "0.000000625"


def test_a_row_of_older_code_has_no_prices() -> None:
    row = LLMUsage(model="openai/gpt-4o-mini", prompt_tokens=10, completion_tokens=5, cost=Decimal("0.1"))

    assert recomputed_amount(row) is None
    assert facts_of(row).usage.total_tokens == 15
    assert target_of(row).provider == ""


def test_a_row_whose_parts_exceed_their_whole_has_no_tokens_below_zero() -> None:
    row = LLMUsage(
        model="openai/gpt-4o-mini",
        prompt_tokens=100,
        completion_tokens=5,
        cached_tokens=80,
        cache_write_tokens=50,
        reasoning_tokens=9,
    )

    counts = tokens_by_class(facts_of(row).usage)

    assert min(counts.values()) == 0
    assert sum(counts.values()) == 105
