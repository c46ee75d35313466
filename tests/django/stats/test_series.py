from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from agentcore_metering.adapters.django.models import LLMUsageSeries
from agentcore_metering.adapters.django.stats import parse_stats_query, series, token_stats
from agentcore_metering.core.errors import InvalidField
from tests.django.factories import NOON, make_usage

pytestmark = pytest.mark.django_db

DAY = {"granularity": "day", "start_date": "2026-02-21", "end_date": "2026-02-21"}


def stats(**params: str) -> dict[str, Any]:
    return token_stats(parse_stats_query(params))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_stats_without_granularity_have_no_series() -> None:
    make_usage()

    found = stats(start_date="2026-02-21", end_date="2026-02-21", use_series="1")

    assert found.keys() == {"summary", "by_model", "series", "expected_buckets"}
    assert found["series"] is None
    assert found["expected_buckets"] is None


def test_by_model_is_ordered_by_tokens_and_adds_up_to_the_summary() -> None:
    make_usage(model="small", total_tokens=3, cost="0.1")
    make_usage(model="large", total_tokens=15, cost="5", cost_currency="CNY")
    make_usage(model="large", total_tokens=3, cost="0.2")
    make_usage(model="also small", total_tokens=3, status="failed", success=False)

    found = stats()

    assert [item["model"] for item in found["by_model"]] == ["large", "also small", "small"]
    for name in ("total_tokens", "total_calls", "failed_calls", "priced_calls", "logical_calls"):
        assert sum(item[name] for item in found["by_model"]) == found["summary"][name]
    assert [(cost["currency"], cost["amount"]) for cost in found["by_model"][0]["costs"]] == [
        ("CNY", "5.000000000000"),
        ("USD", "0.200000000000"),
    ]
    assert [(cost["currency"], cost["amount"]) for cost in found["summary"]["costs"]] == [
        ("CNY", "5.000000000000"),
        ("USD", "0.300000000000"),
    ]


def test_series_of_a_day_has_each_hour() -> None:
    make_usage(created_at=at("2026-02-21T03:15:00"), total_tokens=10, cost="0.1")
    make_usage(created_at=at("2026-02-21T03:59:59.999999"), total_tokens=1, cost="2", cost_currency="EUR")

    found = stats(**DAY)

    items = found["series"]["items"]
    assert found["series"]["granularity"] == "day"
    assert len(items) == 24
    assert [item["bucket"] for item in items] == found["expected_buckets"]
    assert {item["bucket"]: item["total_tokens"] for item in items if item["total_calls"]} == {
        "2026-02-21T03:00:00+00:00": 11
    }
    assert [cost["currency"] for cost in items[3]["costs"]] == ["EUR", "USD"]
    assert (items[0]["total_cost"], items[0]["cost_status"], items[0]["costs"]) == (0, "empty", [])


def test_series_of_a_month_has_each_day() -> None:
    make_usage(created_at=at("2026-02-07T23:59:00"))

    found = stats(granularity="month", start_date="2026-02-01", end_date="2026-02-28")

    items = found["series"]["items"]
    assert len(items) == 28
    assert [item["bucket"] for item in items if item["total_calls"]] == ["2026-02-07"]


def test_series_of_a_year_has_each_month() -> None:
    make_usage(created_at=at("2026-03-07T10:00:00"))

    found = stats(granularity="year", start_date="2026-01-01", end_date="2026-12-31")

    items = found["series"]["items"]
    assert len(items) == 12
    assert [item["bucket"] for item in items if item["total_calls"]] == ["2026-03-01T00:00:00+00:00"]


def test_series_with_rows_beyond_the_calendar_days_loses_none() -> None:
    make_usage(created_at=at("2025-12-31T17:00:00"))  # 2026-01-01 in Shanghai
    make_usage(created_at=at("2026-06-01T00:00:00"))
    make_usage(created_at=at("2027-01-01T07:00:00"))  # 2026-12-31 in Los Angeles

    found = stats(
        granularity="year",
        start_date="2026-01-01T00:00:00+08:00",
        end_date="2026-12-31T23:59:59-08:00",
        use_series="1",
    )

    counts = [item["total_calls"] for item in found["series"]["items"]]
    assert counts == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    assert {item["bucket"] for item in found["series_by_model"]} <= set(found["expected_buckets"])
    assert sum(item["call_count"] for item in found["series_by_model"]) == found["summary"]["total_calls"] == 3


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/Los_Angeles", "Asia/Kathmandu"])
def test_series_is_in_utc_whatever_time_zone_is_active(zone: str) -> None:
    make_usage(created_at=at("2026-02-21T23:30:00"))

    with timezone.override(zone):
        found = stats(granularity="month", start_date="2026-02-20", end_date="2026-02-22")

    assert [item["total_calls"] for item in found["series"]["items"]] == [0, 1, 0]


def test_series_of_an_open_period_has_only_buckets_with_rows() -> None:
    make_usage(created_at=at("2026-03-07T10:00:00"))
    make_usage(created_at=at("2024-02-07T10:00:00"))

    found = stats(granularity="year")

    assert found["expected_buckets"] is None
    assert [item["bucket"] for item in found["series"]["items"]] == [
        "2024-02-01T00:00:00+00:00",
        "2026-03-01T00:00:00+00:00",
    ]


def test_series_counts_a_call_where_its_first_attempt_is() -> None:
    call_id = uuid4()
    make_usage(call_id=call_id, attempt=1, created_at=at("2026-02-21T02:59:59"))
    make_usage(call_id=call_id, attempt=2, created_at=at("2026-02-21T03:00:00"))
    make_usage(call_id=call_id, attempt=3, created_at=at("2026-02-21T03:00:01"))

    found = stats(**DAY)

    assert [item["logical_calls"] for item in found["series"]["items"][2:4]] == [1, 0]
    assert found["summary"]["logical_calls"] == 1


def test_series_by_model_averages_succeeded_rows() -> None:
    ten, two = timedelta(seconds=10), timedelta(seconds=2)
    make_usage(
        started_at=NOON - ten, first_chunk_at=NOON - ten + two, is_streaming=True, completion_tokens=6, cost="0.123456"
    )
    make_usage(started_at=NOON - two, completion_tokens=6)
    make_usage(started_at=NOON - 99 * ten, status="failed", success=False)

    [item] = stats(**DAY, use_series="1")["series_by_model"]

    assert item["bucket"] == "2026-02-21T12:00:00+00:00"
    assert (item["call_count"], item["success_count"]) == (3, 2)
    assert item["avg_e2e_latency_sec"] == 6  # (10 + 2) / 2
    assert item["avg_ttft_sec"] == 2  # one stream
    assert item["avg_output_tps"] == 1  # 12 tokens / 12 s
    assert (item["total_cost"], item["cost_currency"], item["cost_status"]) == (0.123456, "USD", "partial")


def test_series_by_model_without_times_or_cost_has_nulls() -> None:
    make_usage(started_at=None)

    [item] = stats(**DAY, use_series="1")["series_by_model"]

    names = ("avg_e2e_latency_sec", "avg_ttft_sec", "avg_output_tps", "total_cost")
    assert [item[name] for name in names] == [None] * 4


def test_series_by_model_of_a_free_model_costs_nothing_rather_than_something_unknown() -> None:
    make_usage(cost="0")

    [item] = stats(**DAY, use_series="1")["series_by_model"]

    assert item["total_cost"] == 0
    assert item["cost_status"] == "priced"


def test_series_by_model_keeps_currencies_apart_in_one_item() -> None:
    make_usage(model="m", cost="1", cost_currency="USD")
    make_usage(model="m", cost="7", cost_currency="CNY")
    make_usage(model="n", cost="1", cost_currency="USD")

    items = stats(**DAY, use_series="1")["series_by_model"]

    assert [item["model"] for item in items] == ["m", "n"]
    assert [cost["amount"] for cost in items[0]["costs"]] == ["7.000000000000", "1.000000000000"]


def test_series_by_model_reads_rows_and_not_stored_series() -> None:
    make_usage(model="called")
    LLMUsageSeries.objects.create(granularity="hour", bucket=NOON, model="stored", call_count=9)

    assert [item["model"] for item in stats(**DAY, use_series="1")["series_by_model"]] == ["called"]


def test_series_past_the_limit_is_refused_before_any_row_is_read(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(0), pytest.raises(InvalidField, match="buckets"):
        stats(granularity="day", start_date="2000-01-01", end_date="2026-12-31")


def test_series_of_an_open_period_past_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentcore_metering.adapters.django.stats.buckets.MAX_BUCKETS", 1)
    make_usage(created_at=NOON)
    make_usage(created_at=NOON + timedelta(hours=1))

    with pytest.raises(InvalidField, match="has 2 buckets"):
        stats(granularity="day")


@pytest.mark.parametrize(("limit", "field"), [("MAX_GROUPS", "granularity"), ("MAX_MODEL_ITEMS", "use_series")])
def test_series_of_too_many_models_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str, field: str) -> None:
    monkeypatch.setattr(series, limit, 1)
    make_usage(model="one")
    make_usage(model="two")

    with pytest.raises(InvalidField) as caught:
        stats(**DAY, use_series="1")

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("params", "count"),
    [({}, 2), ({"granularity": "year"}, 4), (DAY, 2), ({**DAY, "use_series": "1"}, 2)],
    ids=["totals", "open series", "series", "series of models"],
)
def test_stats_take_a_fixed_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries, params: dict[str, str], count: int
) -> None:
    for model in ("one", "two", "three"):
        make_usage(model=model)

    with django_assert_num_queries(count):
        stats(**params)
