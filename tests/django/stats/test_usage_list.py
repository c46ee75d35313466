from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pytest_django import DjangoAssertNumQueries

from agentcore_metering.adapters.django.stats import parse_usage_query, usage_page
from agentcore_metering.adapters.django.stats.usage_list import usage_item
from tests.django.factories import NOON, make_usage, make_user

pytestmark = pytest.mark.django_db


def page(**params: str) -> dict[str, Any]:
    return usage_page(parse_usage_query(params))


def test_page_is_ordered_from_the_newest_and_then_by_id() -> None:
    ids = [UUID(int=number) for number in (2, 3, 1)]
    make_usage(id=ids[0])
    make_usage(id=ids[1])
    make_usage(id=ids[2], created_at=NOON + timedelta(seconds=1))

    assert [item["id"] for item in page()["results"]] == [str(UUID(int=number)) for number in (1, 3, 2)]


def test_page_after_page_gives_each_row_once() -> None:
    made = {str(make_usage().id) for _ in range(5)}

    pages = [page(page=str(number), page_size="2") for number in (1, 2, 3)]

    assert [len(found["results"]) for found in pages] == [2, 2, 1]
    assert {item["id"] for found in pages for item in found["results"]} == made
    assert {found["total"] for found in pages} == {5}


@pytest.mark.parametrize("number", ["2", "99999999999999999999", "9" * 4000])
def test_page_behind_the_last_is_empty_and_not_looked_for(
    django_assert_num_queries: DjangoAssertNumQueries, number: str
) -> None:
    make_usage()

    with django_assert_num_queries(1):
        found = page(page=number)

    assert (found["results"], found["total"]) == ([], 1)


@pytest.mark.parametrize(
    ("params", "models"),
    [
        ({"model": "GPT"}, {"gpt-4o", "gpt-5"}),
        ({"model": "%"}, set()),
        ({"success": "false"}, {"gpt-5"}),
        ({"success": "true"}, {"gpt-4o", "claude"}),
        ({"start_date": "2026-02-22"}, {"claude"}),
        ({"end_date": "2026-02-21"}, {"gpt-4o", "gpt-5"}),
    ],
)
def test_page_has_only_what_was_asked_for(params: dict[str, str], models: set[str]) -> None:
    make_usage(model="gpt-4o")
    make_usage(model="gpt-5", success=False)
    make_usage(model="claude", created_at=NOON + timedelta(days=1))

    assert {item["model"] for item in page(**params)["results"]} == models


def test_page_of_one_user_has_his_rows_only() -> None:
    alice = make_user("alice")
    make_usage(user=alice)
    make_usage(user=make_user("bob"))
    make_usage()

    [item] = page(user_id=str(alice.pk))["results"]

    assert (item["user_id"], item["username"]) == (alice.pk, "alice")


def test_page_of_many_users_takes_two_queries(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for name in ("alice", "bob", "carol"):
        make_usage(user=make_user(name))

    with django_assert_num_queries(2):
        assert len(page()["results"]) == 3


def test_item_of_a_stream_has_its_times() -> None:
    row = make_usage(
        started_at=NOON - timedelta(seconds=4),
        first_chunk_at=NOON - timedelta(seconds=3.5),
        ended_at=NOON - timedelta(seconds=2),
        is_streaming=True,
        completion_tokens=5,
    )

    item = usage_item(row)

    assert item["e2e_latency_sec"] == item["latency_sec"] == 2
    assert item["ttft_sec"] == 0.5
    assert item["output_tps"] == 2.5


def test_item_of_old_code_ends_with_its_row() -> None:
    item = usage_item(make_usage(started_at=NOON - timedelta(seconds=4), first_chunk_at=NOON))

    assert item["latency_sec"] == 4
    assert "ttft_sec" not in item  # no stream


@pytest.mark.parametrize(("start", "latency_s"), [(None, None), (NOON + timedelta(seconds=1), 0)])
def test_item_without_a_span_of_time_has_no_rate(start: Any, latency_s: float | None) -> None:
    item = usage_item(make_usage(started_at=start))

    assert (item["latency_sec"], item["output_tps"]) == (latency_s, None)


@pytest.mark.parametrize(
    ("cost", "number", "text"),
    [(None, None, None), ("0.00000033", 3.3e-7, "0.000000330000"), ("0", 0, "0.000000000000")],
)
def test_item_has_its_cost_as_number_and_exactly(cost: str | None, number: float | None, text: str | None) -> None:
    make_usage(cost=cost)

    [item] = page()["results"]

    assert (item["cost"], item["cost_amount"]) == (number, text)


def test_item_of_a_deleted_user_keeps_its_key() -> None:
    make_usage(user_id=4711)

    [item] = page()["results"]

    assert (item["user_id"], item["username"]) == (4711, None)
