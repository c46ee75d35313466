from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from agentcore_metering.adapters.django.stats import parse_stats_query, token_stats
from agentcore_metering.adapters.django.stats.cube import CubeQuery, cube_rows
from agentcore_metering.adapters.django.stats.totals import NOTHING, CurrencyTotal, Totals
from tests.django.factories import NOON, make_usage, make_user


def summary(**params: str) -> dict[str, Any]:
    return dict(token_stats(parse_stats_query(params))["summary"])


@pytest.mark.django_db
def test_summary_of_no_rows_is_empty_and_in_dollars() -> None:
    found = summary()

    assert found["cost_status"] == "empty"
    assert (found["total_cost"], found["total_cost_currency"], found["costs"]) == (0, "USD", [])
    assert found["total_calls"] == found["logical_calls"] == found["total_tokens"] == 0


@pytest.mark.django_db
def test_summary_adds_each_kind_of_token() -> None:
    for factor in (1, 100):
        make_usage(
            prompt_tokens=8 * factor,
            completion_tokens=5 * factor,
            total_tokens=13 * factor,
            cached_tokens=4 * factor,
            cache_write_tokens=2 * factor,
            reasoning_tokens=3 * factor,
        )

    found = summary()

    assert {name: found[name] for name in found if name.endswith("_tokens")} == {
        "total_prompt_tokens": 808,
        "total_completion_tokens": 505,
        "total_tokens": 1313,
        "total_cached_tokens": 404,
        "total_cache_write_tokens": 202,
        "total_reasoning_tokens": 303,
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"status": "succeeded"}, "successful_calls"),
        ({"status": "failed", "success": False}, "failed_calls"),
        ({"status": "cancelled", "success": False}, "cancelled_calls"),
        ({"status": "interrupted", "success": False}, "failed_calls"),
        ({"status": None, "success": True}, "successful_calls"),
        ({"status": None, "success": False}, "failed_calls"),
        ({"status": "failed", "success": True}, "failed_calls"),
    ],
    ids=["succeeded", "failed", "cancelled", "interrupted", "old and good", "old and bad", "status wins"],
)
def test_row_counts_by_its_status_or_else_by_success(fields: dict[str, Any], outcome: str) -> None:
    make_usage(**fields)

    found = summary()

    counts = {name: found[name] for name in ("successful_calls", "failed_calls", "cancelled_calls")}
    assert counts == {**dict.fromkeys(counts, 0), outcome: 1}
    assert found["total_calls"] == 1


@pytest.mark.django_db
def test_logical_calls_are_counted_once_and_rows_without_one_each() -> None:
    call_id = uuid4()
    make_usage(call_id=call_id, attempt=1, status="failed", success=False)
    make_usage(call_id=call_id, attempt=2, status="succeeded")
    make_usage(call_id=uuid4())
    make_usage()
    make_usage()

    found = summary()

    assert (found["total_calls"], found["logical_calls"]) == (
        5,
        4,
    )  # the call of two attempts, another, and 2 of old code


@pytest.mark.django_db
def test_costs_of_two_currencies_are_never_added() -> None:
    make_usage(cost="1.5", cost_currency="USD")
    make_usage(cost="100", cost_currency="CNY")
    make_usage(cost="0.25", cost_currency="CNY")

    found = summary()

    assert found["costs"] == [
        {"currency": "CNY", "amount": "100.250000000000", "total_cost": 100.25, "priced_calls": 2},
        {"currency": "USD", "amount": "1.500000000000", "total_cost": 1.5, "priced_calls": 1},
    ]
    assert (found["total_cost"], found["total_cost_currency"]) == (100.25, "CNY")


@pytest.mark.django_db
def test_total_cost_of_equally_frequent_currencies_is_the_first_by_name() -> None:
    make_usage(cost="5", cost_currency="USD")
    make_usage(cost="3", cost_currency="EUR")

    found = summary()

    assert (found["total_cost"], found["total_cost_currency"]) == (3, "EUR")


@pytest.mark.django_db
def test_currency_in_other_letters_or_missing_is_the_same_one() -> None:
    for currency in ("usd", "USD ", ""):
        make_usage(cost="0.1", cost_currency=currency)

    assert summary()["costs"] == [
        {"currency": "USD", "amount": "0.300000000000", "total_cost": 0.3, "priced_calls": 3},
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("costs", "status", "priced"),
    [
        ([None], "unavailable", 0),
        ([None, "0.1"], "partial", 1),
        (["0.1", "0.2"], "priced", 2),
        (["0"], "priced", 1),
    ],
    ids=["unknown", "partly", "known", "free"],
)
def test_unpriced_is_a_row_without_cost(costs: list[str | None], status: str, priced: int) -> None:
    for cost in costs:
        make_usage(cost=cost)

    found = summary()

    assert (found["cost_status"], found["priced_calls"]) == (status, priced)
    assert found["priced_calls"] + found["unpriced_calls"] == found["total_calls"]


@pytest.mark.django_db
def test_cost_of_many_tiny_amounts_is_exact() -> None:
    # 300 * 3.3e-7 + 0.000000000001 = 0.000099000001
    for _ in range(300):
        make_usage(cost="0.00000033")
    make_usage(cost="0.000000000001")

    assert summary()["costs"][0]["amount"] == "0.000099000001"


@pytest.mark.django_db
def test_rows_are_of_one_user_where_one_is_asked_for() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    make_usage(user=alice, total_tokens=12)
    make_usage(user=bob, total_tokens=99)

    assert summary(user_id=str(alice.pk))["total_tokens"] == 12


@pytest.mark.django_db
def test_rows_of_both_last_moments_are_in_the_period() -> None:
    for moment in (
        "2026-02-20T23:59:59.999999",
        "2026-02-21T00:00:00",
        "2026-02-21T23:59:59.999999",
        "2026-02-22T00:00:00",
    ):
        make_usage(created_at=datetime.fromisoformat(moment).replace(tzinfo=UTC))

    assert summary(start_date="2026-02-21", end_date="2026-02-21")["total_calls"] == 2


@pytest.mark.django_db
def test_period_is_utc_whatever_time_zone_is_active() -> None:
    make_usage(created_at=datetime(2026, 2, 21, 0, 30, tzinfo=UTC))

    with timezone.override("America/Los_Angeles"):
        assert summary(start_date="2026-02-21", end_date="2026-02-21")["total_calls"] == 1


@pytest.mark.django_db
def test_latency_ends_with_the_attempt_and_is_never_negative() -> None:
    second = timedelta(seconds=1)
    make_usage(started_at=NOON - 4 * second, ended_at=NOON - 2 * second)  # 2 s, although the row came later
    make_usage(started_at=NOON - 4 * second)  # 4 s, of old code
    make_usage(started_at=NOON + second)  # 0 s: the clocks disagree
    make_usage(started_at=NOON - 99 * second, status="failed", success=False)
    make_usage(started_at=None)

    [(_, _, totals)] = cube_rows(CubeQuery(("model",)), "default")

    assert (totals.timed_calls, totals.timed_duration, totals.timed_tokens) == (3, 6 * second, 15)


_TOTALS = st.builds(
    Totals,
    calls=st.integers(0, 9),
    prompt_tokens=st.integers(0, 2**40),
    timed_us=st.integers(0, 10**12),
    latencies=st.lists(st.integers(0, 9), min_size=26, max_size=26).map(tuple),
    costs=st.lists(
        st.builds(
            CurrencyTotal,
            currency=st.sampled_from(["CNY", "EUR", "USD"]),
            amount=st.decimals(0, 10**20, allow_nan=False, places=12),
            priced_calls=st.integers(1, 9),
        ),
        unique_by=lambda cost: cost.currency,
    ).map(lambda costs: tuple(sorted(costs, key=lambda cost: cost.currency))),
)


@given(_TOTALS, _TOTALS, _TOTALS)
def test_totals_add_exactly_in_any_order(one: Totals, two: Totals, three: Totals) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + NOTHING == one


def test_totals_add_amounts_past_28_digits() -> None:
    large = Totals(costs=(CurrencyTotal("IDR", Decimal("99999999999999999999.000000000001"), 1),))

    assert (large + large).costs[0].amount == Decimal("199999999999999999998.000000000002")
