from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.api.serializers.stats import TokenStatsSerializer
from tests.django.api.urls import TOKEN_STATS
from tests.django.factories import make_usage

pytestmark = pytest.mark.django_db

DAY = {"granularity": "day", "start_date": "2026-02-21", "end_date": "2026-02-21", "use_series": "1"}


def test_stats_without_rows_are_empty(api: APIClient) -> None:
    response = api.get(TOKEN_STATS)

    assert response.status_code == 200
    body = response.json()
    assert body["summary"]["total_calls"] == body["summary"]["total_tokens"] == 0
    assert (body["by_model"], body["series"], body["expected_buckets"]) == ([], None, None)


def test_stats_have_costs_as_numbers_and_exact_texts(api: APIClient) -> None:
    make_usage(cost="0.1", cost_currency="USD")
    make_usage(cost="0.2", cost_currency="USD")
    make_usage(cost="7", cost_currency="CNY")

    summary = api.get(TOKEN_STATS).json()["summary"]

    assert (summary["total_cost"], summary["total_cost_currency"]) == (0.3, "USD")
    assert [(cost["currency"], cost["amount"]) for cost in summary["costs"]] == [
        ("CNY", "7.000000000000"),
        ("USD", "0.300000000000"),
    ]


def test_stats_of_a_day_have_its_series(api: APIClient) -> None:
    make_usage(created_at=datetime(2026, 2, 21, 7, 45, tzinfo=UTC), total_tokens=12)

    body = api.get(TOKEN_STATS, DAY).json()

    assert body["series"]["granularity"] == "day"
    assert len(body["series"]["items"]) == len(body["expected_buckets"]) == 24
    assert [item["bucket"] for item in body["series_by_model"]] == ["2026-02-21T07:00:00+00:00"]


def test_stats_with_unknown_granularity_say_which_there_are(api: APIClient) -> None:
    response = api.get(TOKEN_STATS, {"granularity": "hour"})

    assert response.status_code == 400
    assert response.json() == {"detail": "Unsupported granularity. Use one of: day, month, year."}


def test_stats_of_too_many_buckets_name_granularity_and_range(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        response = api.get(TOKEN_STATS, {**DAY, "start_date": "2000-01-01", "end_date": "2026-12-31"})

    assert response.status_code == 400
    [text] = response.json()["granularity"]
    assert "granularity=day" in text
    assert "start_date, end_date" in text


def test_stats_take_two_queries(api: APIClient, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make_usage()

    with django_assert_num_queries(2):
        api.get(TOKEN_STATS, DAY)


def fields_of(serializer: Any) -> set[str]:
    return set(getattr(serializer, "child", serializer).fields)


def test_stats_have_exactly_the_described_keys(api: APIClient) -> None:
    make_usage(cost="0.1")
    described: dict[str, Any] = dict(TokenStatsSerializer().fields)

    body = api.get(TOKEN_STATS, DAY).json()

    assert body.keys() == described.keys()
    assert body["summary"].keys() == fields_of(described["summary"])
    assert body["by_model"][0].keys() == fields_of(described["by_model"])
    assert body["series_by_model"][0].keys() == fields_of(described["series_by_model"])
    items = described["series"].fields["items"]
    assert body["series"]["items"][0].keys() == fields_of(items)
    assert body["summary"]["costs"][0].keys() == fields_of(described["summary"].fields["costs"])
