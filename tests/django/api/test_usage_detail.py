from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.api.serializers.usage import (
    CostDetailsSerializer,
    UsageDetailSerializer,
    UsageItemSerializer,
)
from tests.django.api.urls import UNKNOWN, usage_url
from tests.django.exports.test_reading import make_full_usage
from tests.django.factories import make_usage

pytestmark = pytest.mark.django_db

# 10 input tokens at 0.00000015 and 5 output tokens at 0.0000006
PRICES = {
    "currency": "USD",
    "version": "x",
    "source": "price_map",
    "per_token": {"input": "0.00000015", "output": "0.0000006"},
}


def test_detail_has_exactly_the_described_keys(api: APIClient) -> None:
    row = make_full_usage()

    body = api.get(usage_url(row.id)).json()

    assert body.keys() == set(UsageDetailSerializer().fields)
    assert body["cost_details"].keys() == set(CostDetailsSerializer().fields)
    assert body["attempts"][0].keys() == set(UsageItemSerializer().fields)


def test_detail_says_what_the_cost_is_made_of(api: APIClient) -> None:
    row = make_usage(
        cost="0.0000044",
        computed_cost="0.0000045",
        cost_source="provider",
        cost_status="priced",
        price_snapshot=PRICES,
        usage_details={"units": {"web_searches": "0"}},
        usage_raw={"prompt_tokens": 10},
        usage_source="provider",
    )

    body = api.get(usage_url(row.id)).json()

    assert body["cost_details"] == {
        "amount": "0.000004400000",
        "currency": "USD",
        "source": "provider",
        "status": "priced",
        "computed_amount": "0.000004500000",
        "recomputed_amount": "0.000004500000",
    }
    assert (body["price_snapshot"], body["usage_raw"]) == (PRICES, {"prompt_tokens": 10})
    assert body["usage_details"] == {"units": {"web_searches": "0"}}


@pytest.mark.parametrize(
    "snapshot", [None, {}, [], "x", 5, {"per_token": 5}, {**PRICES, "per_token": {"input": "cheap"}}]
)
def test_detail_of_a_row_without_usable_prices_is_answered(api: APIClient, snapshot: object) -> None:
    row = make_usage(price_snapshot=snapshot, usage_details=[1] if snapshot else None)

    assert api.get(usage_url(row.id)).json()["cost_details"]["recomputed_amount"] is None


def test_detail_has_every_attempt_of_the_call_in_order(api: APIClient) -> None:
    call_id = uuid4()
    second = make_usage(call_id=call_id, attempt=2)
    first = make_usage(call_id=call_id, attempt=1, success=False, status="failed")
    make_usage(call_id=uuid4())

    body = api.get(usage_url(second.id)).json()

    assert [item["id"] for item in body["attempts"]] == [str(first.id), str(second.id)]
    assert [item["status"] for item in body["attempts"]] == ["failed", None]


def test_detail_of_older_code_has_itself_as_attempt(api: APIClient) -> None:
    row = make_usage()

    assert [item["id"] for item in api.get(usage_url(row.id)).json()["attempts"]] == [str(row.id)]


def test_detail_takes_two_queries_however_many_attempts(
    api: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    call_id = uuid4()
    rows = [make_usage(call_id=call_id, attempt=number) for number in range(1, 6)]

    with django_assert_num_queries(2):
        assert len(api.get(usage_url(rows[0].id)).json()["attempts"]) == 5


def test_detail_masks_what_is_shaped_like_a_key(api: APIClient) -> None:
    row = make_usage(error="Incorrect API key provided: sk-proj-abcdefghijklmnopqrstuvwx012345")

    assert b"abcdefghijkl" not in api.get(usage_url(row.id)).content


@pytest.mark.parametrize("ref", [UNKNOWN, UUID(int=0), "4711", "x", "%00", "export/x"])
def test_detail_of_what_there_is_not_is_404(api: APIClient, ref: object) -> None:
    assert api.get(usage_url(ref)).status_code == 404
