"""Pricing past rows anew: what changes, what never does, and that every stored cost follows from its row."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.models import LLMCostChange, LLMPrice, LLMUsage
from agentcore_metering.adapters.django.persistence.cost_audit import audit
from agentcore_metering.adapters.django.persistence.repricing import Plan, RepriceSummary, reprice
from agentcore_metering.adapters.django.persistence.rows import write_rows
from agentcore_metering.adapters.django.persistence.selection import Selection
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import PriceBook, price_attempt
from agentcore_metering.core.types import ResponseFacts
from agentcore_metering.core.usage import extract_usage
from tests.django.factories import make_usage
from tests.django.persistence.test_rows import make_record
from tests.fakes import NOON, make_target

pytestmark = pytest.mark.django_db

LIST_PRICE = Decimal("0.00015")  # 600*1.5e-7 + 100*6e-7


def make_row(
    number: int = 1, *, input_tokens: int = 600, output_tokens: int = 100, cost: float | None = None, **target: Any
) -> UUID:
    """A row by LiteLLM's list price, or by the `cost` that the provider reported, sent `number` hours after noon."""
    started_at = NOON + timedelta(hours=number)
    payload = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "cost": cost}
    facts = ResponseFacts(
        usage=extract_usage(payload),
        provider_cost=None if cost is None else Decimal(str(cost)),
        response_model=target.get("request_model", "gpt-4o-mini-2024-07-18"),
    )
    made = make_target(**target)
    amount, status = price_attempt(made, facts, PriceMap(), started_at)
    row_id = UUID(int=(0x0190_0000_0000_7000_8000 << 48) + number)
    record = make_record(
        id=row_id, call_id=row_id, target=made, facts=facts, cost=amount, cost_status=status, started_at=started_at
    )
    write_rows([record], "default")
    return row_id


def make_operator_price(**fields: Any) -> LLMPrice:
    values = {
        "model_pattern": "gpt-4o-mini*",
        "currency": "CNY",
        "input_per_1m": 1,
        "output_per_1m": 4,
        "valid_from": None,
    }
    return LLMPrice.objects.create(**{**values, **fields})


def run(selection: Selection | None = None, **plan: Any) -> RepriceSummary:
    operator = OperatorPrices()
    operator.refresh()
    return reprice(PriceBook([operator, PriceMap()]), selection or Selection(), Plan("test", **plan), "default")


def costs() -> list[tuple[Decimal | None, str]]:
    return list(LLMUsage.objects.order_by("created_at").values_list("cost", "cost_currency"))


def test_reprice_takes_the_operators_price_and_leaves_a_trail() -> None:
    row_id = make_row()
    make_operator_price()

    summary = run()

    row = LLMUsage.objects.get(pk=row_id)
    assert (row.cost, row.cost_currency, row.cost_source) == (
        Decimal("0.001"),
        "CNY",
        "operator",
    )  # 600*1e-6 + 100*4e-6
    change = LLMCostChange.objects.get()
    assert (change.usage_id, change.reason) == (row_id, "test")
    assert (change.old_amount, change.old_currency, change.old_source) == (LIST_PRICE, "USD", "price_map")
    assert (change.new_amount, change.new_currency, change.new_source) == (Decimal("0.001"), "CNY", "operator")
    assert change.price_snapshot == row.price_snapshot
    assert dict(summary.counts) == {"changed": 1}
    assert dict(summary.before) == {"USD": LIST_PRICE}
    assert dict(summary.after) == {"CNY": Decimal("0.001")}


def test_reprice_done_twice_changes_nothing_the_second_time() -> None:
    for number in range(1, 6):
        make_row(number)
    make_operator_price()
    run()
    first = list(LLMUsage.objects.order_by("id").values())

    summary = run()

    assert dict(summary.counts) == {"unchanged": 5}
    assert list(LLMUsage.objects.order_by("id").values()) == first
    assert LLMCostChange.objects.count() == 5


def test_reprice_takes_the_price_in_force_when_the_call_was_sent() -> None:
    make_row(1)
    make_row(3)
    make_operator_price(valid_to=NOON + timedelta(hours=2))
    make_operator_price(valid_from=NOON + timedelta(hours=2), input_per_1m=2, output_per_1m=8)

    run()

    assert costs() == [(Decimal("0.001"), "CNY"), (Decimal("0.002"), "CNY")]


def test_reprice_dry_run_says_the_same_and_writes_nothing() -> None:
    make_row()
    make_operator_price()

    summary = run(is_dry_run=True)

    assert dict(summary.counts) == {"changed": 1}
    assert dict(summary.after) == {"CNY": Decimal("0.001")}
    assert costs() == [(LIST_PRICE, "USD")]
    assert not LLMCostChange.objects.exists()


def test_reprice_leaves_what_a_provider_reported() -> None:
    make_row(cost=0.5)
    make_operator_price()

    summary = run()

    assert dict(summary.counts) == {"reported": 1}
    assert costs() == [(Decimal("0.5"), "USD")]


def test_reprice_replaces_what_a_provider_reported_where_asked() -> None:
    make_row(cost=0.5)
    make_operator_price()

    run(includes_reported=True)

    row = LLMUsage.objects.get()
    assert (row.cost, row.cost_currency, row.cost_source, row.computed_cost) == (
        Decimal("0.001"),
        "CNY",
        "operator",
        None,
    )
    assert LLMCostChange.objects.get().old_source == "provider"


def test_reprice_keeps_a_cost_that_nothing_prices_now() -> None:
    make_row(1)
    LLMUsage.objects.update(request_model="gone", response_model="gone", model="openai/gone")

    summary = run()

    assert dict(summary.counts) == {"without_price": 1}
    assert costs() == [(LIST_PRICE, "USD")]


def test_reprice_gives_an_unpriced_row_its_cost() -> None:
    make_row(request_model="my-model", litellm_model="openai/my-model")
    make_operator_price(model_pattern="my-*")

    run()

    row = LLMUsage.objects.get()
    assert (row.cost, row.cost_status) == (Decimal("0.001"), "priced")
    assert LLMCostChange.objects.get().old_amount is None


def test_reprice_gives_a_row_of_older_code_its_prices() -> None:
    make_usage(cost=Decimal("0.1"), cost_currency="USD")
    make_operator_price()

    run()

    row = LLMUsage.objects.get()
    assert (row.cost, row.cost_currency) == (Decimal("0.00003"), "CNY")  # 10*1e-6 + 5*4e-6
    assert audit(Selection(), "default").counts == {"proved": 1}


def test_reprice_never_takes_a_list_price_for_a_row_without_a_provider() -> None:
    make_usage(model="openai/gpt-4o-mini")

    assert dict(run().counts) == {"without_price": 1}


def test_reprice_records_a_changed_row_anew() -> None:
    make_row()
    LLMUsage.objects.update(recorded_at=datetime(2020, 1, 1, tzinfo=NOON.tzinfo))
    make_operator_price()

    run()

    recorded_at = LLMUsage.objects.get().recorded_at
    assert recorded_at is not None
    assert recorded_at.year > 2020


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_reprice_in_batches_of_any_size_is_the_same(batch_size: int) -> None:
    for number in range(1, 8):
        make_row(number)
    make_operator_price()
    reached: list[datetime | None] = []
    operator = OperatorPrices()
    operator.refresh()

    summary = reprice(
        operator, Selection(batch_size=batch_size), Plan("x"), "default", lambda done: reached.append(done.reached)
    )

    assert dict(summary.counts) == {"changed": 7}
    assert dict(summary.after) == {"CNY": Decimal("0.007")}
    assert len(reached) == -(-7 // batch_size)
    assert {currency for _cost, currency in costs()} == {"CNY"}


def test_reprice_resumes_after_a_stop() -> None:
    for number in range(1, 6):
        make_row(number)
    make_operator_price()

    class Stopped(Exception):
        pass

    def stop(summary: RepriceSummary) -> None:
        if summary.counts["changed"] >= 2:
            raise Stopped

    operator = OperatorPrices()
    operator.refresh()
    with pytest.raises(Stopped):
        reprice(operator, Selection(batch_size=2), Plan("x"), "default", stop)

    summary = run()

    assert dict(summary.counts) == {"unchanged": 2, "changed": 3}
    assert LLMCostChange.objects.count() == 5


@pytest.mark.parametrize(
    ("selection", "changed"),
    [
        (Selection(start=NOON + timedelta(hours=2)), 2),
        (Selection(end=NOON + timedelta(hours=2)), 1),
        (Selection(model="gpt-4o-mini"), 3),
        (Selection(model="openai/gpt-4o-mini"), 3),
        (Selection(model="gpt-4o-mini-2024-07-18"), 3),
        (Selection(model="gpt-4o"), 0),
        (Selection(provider="openai"), 3),
        (Selection(provider="azure_openai"), 0),
    ],
)
def test_reprice_touches_only_what_is_selected(selection: Selection, changed: int) -> None:
    for number in (1, 2, 3):
        make_row(number)
    make_operator_price()

    assert run(selection).counts["changed"] == changed


def test_audit_proves_what_was_written() -> None:
    make_row(1)
    make_row(2, cost=0.5)
    make_row(3, request_model="nobody", litellm_model="openai/nobody")
    make_usage(cost=Decimal("0.1"))
    row_id = make_row(4, cost=0.5)
    LLMUsage.objects.filter(pk=row_id).update(computed_cost=None, price_snapshot=None)

    summary = audit(Selection(batch_size=2), "default")

    assert dict(summary.counts) == {"proved": 2, "unpriced": 1, "without_prices": 1, "reported": 1}
    assert summary.differences == []


@pytest.mark.parametrize(
    "tampering",
    [
        pytest.param({"cost": Decimal("0.000150000001")}, id="the-last-digit"),
        pytest.param({"prompt_tokens": 601}, id="a-token"),
        pytest.param({"cost_currency": "CNY"}, id="the-currency"),
        pytest.param({"price_snapshot": None}, id="no-prices"),
        pytest.param({"price_snapshot": {"per_token": 5}}, id="broken-prices"),
        pytest.param({"usage_details": {"units": {"web_searches": "1"}}}, id="a-search-without-a-price"),
    ],
)
def test_audit_finds_a_cost_that_does_not_follow_from_its_row(tampering: dict[str, Any]) -> None:
    row_id = make_row()
    LLMUsage.objects.update(**tampering)

    summary = audit(Selection(), "default")

    assert summary.counts["different"] == 1
    assert [difference[0] for difference in summary.differences] == [str(row_id)]
