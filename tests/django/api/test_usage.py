from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.api.serializers.usage import UsageItemSerializer, UsageWalkSerializer
from tests.django.api.urls import LLM_USAGE
from tests.django.factories import NOON, make_usage, make_user

pytestmark = pytest.mark.django_db


def test_list_without_rows_is_an_empty_page(api: APIClient) -> None:
    response = api.get(LLM_USAGE)

    assert response.status_code == 200
    assert response.json() == {"results": [], "total": 0, "page": 1, "page_size": 20}


def test_item_says_all_of_its_row(api: APIClient, settings: Settings) -> None:
    alice, call_id, config_uuid = make_user(), uuid4(), uuid4()
    row = make_usage(
        user=alice,
        call_id=call_id,
        attempt=2,
        operation="chat",
        provider="openai",
        response_model="gpt-4o-mini-2024-07-18",
        status="failed",
        success=False,
        error="too many requests",
        error_type="RateLimitError",
        finish_reason="stop",
        node_name="summarise",
        cached_tokens=4,
        cache_write_tokens=3,
        reasoning_tokens=2,
        cost="0.00000033",
        cost_status="priced",
        cost_source="price_map",
        usage_source="provider",
        usage_details={"input_audio_tokens": 6, "units": {"web_searches": "2"}},
        trace_id="a" * 32,
        span_id="b" * 16,
        trace_sampled=True,
        config_uuid=config_uuid,
        metadata={"job": 7},
        started_at=NOON - timedelta(seconds=2),
    )

    settings.AGENTCORE_METERING_TRACE_URL_TEMPLATE = "https://traces.example/t/{trace_id}?span={span_id}"

    [item] = api.get(LLM_USAGE).json()["results"]

    assert item == {
        "id": str(row.id),
        "call_id": str(call_id),
        "attempt": 2,
        "user_id": alice.pk,
        "username": "alice",
        "operation": "chat",
        "provider": "openai",
        "model": "openai/gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "config_uuid": str(config_uuid),
        "node_name": "summarise",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "cached_tokens": 4,
        "cache_write_tokens": 3,
        "reasoning_tokens": 2,
        "usage_source": "provider",
        "usage_details": {"input_audio_tokens": 6, "units": {"web_searches": "2"}},
        "cost": 3.3e-7,
        "cost_amount": "0.000000330000",
        "cost_currency": "USD",
        "cost_status": "priced",
        "cost_source": "price_map",
        "success": False,
        "status": "failed",
        "error": "too many requests",
        "error_type": "RateLimitError",
        "finish_reason": "stop",
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "trace_url": f"https://traces.example/t/{'a' * 32}?span={'b' * 16}",
        "metadata": {"job": 7},
        "created_at": "2026-02-21T12:00:00+00:00",
        "started_at": "2026-02-21T11:59:58+00:00",
        "e2e_latency_sec": 2,
        "latency_sec": 2,
        "output_tps": 2.5,
    }


def test_item_has_exactly_the_described_keys(api: APIClient) -> None:
    make_usage(started_at=NOON, first_chunk_at=NOON, is_streaming=True)

    [item] = api.get(LLM_USAGE).json()["results"]

    assert item.keys() == set(UsageItemSerializer().fields)


def test_list_takes_two_queries(api: APIClient, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for name in ("alice", "bob"):
        make_usage(user=make_user(name))

    with django_assert_num_queries(2):
        api.get(LLM_USAGE)


@pytest.mark.parametrize(
    ("params", "page", "page_size"),
    [
        ({"page": "2", "page_size": "5"}, 2, 5),
        ({"page": "not-a-number"}, 1, 20),
        ({"page_size": "nope"}, 1, 20),
        ({"page": "0", "page_size": "-5"}, 1, 1),
        ({"page_size": "200"}, 1, 100),
        ({"page": "99999999999999999999"}, 99999999999999999999, 20),
    ],
)
def test_page_parameters_are_clamped(api: APIClient, params: dict[str, str], page: int, page_size: int) -> None:
    body = api.get(LLM_USAGE, params).json()

    assert (body["page"], body["page_size"]) == (page, page_size)


def test_walk_has_exactly_the_described_keys(api: APIClient) -> None:
    make_usage()

    body = api.get(LLM_USAGE, {"cursor": ""}).json()

    assert body.keys() == set(UsageWalkSerializer().fields)
    assert body["results"][0].keys() <= set(UsageItemSerializer().fields)


def test_walk_goes_from_answer_to_answer(api: APIClient) -> None:
    for number in range(5):
        make_usage(created_at=NOON + timedelta(seconds=number))
    everything = [item["id"] for item in api.get(LLM_USAGE).json()["results"]]

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        body = api.get(LLM_USAGE, {"cursor": cursor, "page_size": "2"}).json()
        seen += [item["id"] for item in body["results"]]
        cursor = body["next_cursor"]

    assert seen == everything
