from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pytest_django import DjangoAssertNumQueries

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.stats import parse_usage_query, usage_list, usage_page, usage_walk
from agentcore_metering.adapters.django.stats.usage_list import usage_item
from agentcore_metering.core.errors import InvalidField
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


def walk(**params: str) -> dict[str, Any]:
    return usage_walk(parse_usage_query({"cursor": "", **params}))


def ids_of(found: dict[str, Any]) -> list[str]:
    return [item["id"] for item in found["results"]]


@pytest.mark.parametrize("deep_offset", [0, 2, 1_000])
def test_page_anywhere_is_that_part_of_the_whole(monkeypatch: pytest.MonkeyPatch, deep_offset: int) -> None:
    monkeypatch.setattr(usage_list, "DEEP_OFFSET", deep_offset)
    for number in range(7):
        make_usage(id=UUID(int=number), created_at=NOON + timedelta(seconds=number // 3))
    in_order = ids_of(page(page_size="100"))

    for size in range(1, 8):
        pages = [ids_of(page(page=str(number), page_size=str(size))) for number in range(1, 8)]
        assert [row_id for found in pages for row_id in found] == in_order


def test_page_far_from_both_ends_takes_four_queries(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(usage_list, "DEEP_OFFSET", 1)
    for _ in range(5):
        make_usage()

    with django_assert_num_queries(4):
        assert len(page(page="2", page_size="2")["results"]) == 2


def test_walk_begins_at_the_newest_row_and_ends_with_null() -> None:
    rows = [make_usage(created_at=NOON + timedelta(seconds=number)) for number in range(3)]

    first = walk(page_size="2")
    second = walk(page_size="2", cursor=first["next_cursor"])

    assert first.keys() == {"results", "next_cursor", "previous_cursor", "page_size"}
    assert ids_of(first) == [str(rows[2].id), str(rows[1].id)]
    assert first["previous_cursor"] is None
    assert (ids_of(second), second["next_cursor"]) == ([str(rows[0].id)], None)
    assert ids_of(walk(page_size="2", cursor=second["previous_cursor"])) == ids_of(first)


def test_walk_over_nothing_has_no_cursors() -> None:
    assert walk() == {"results": [], "next_cursor": None, "previous_cursor": None, "page_size": 20}


@pytest.mark.parametrize("seed", range(8))
def test_walk_gives_each_row_once_while_others_come_in(seed: int) -> None:
    chance = random.Random(seed)
    count, size = chance.randint(1, 40), chance.randint(1, 7)
    for _ in range(count):
        # Few moments, so that most rows share theirs.
        make_usage(created_at=NOON + timedelta(microseconds=chance.randint(0, 3)))
    expected = [str(row_id) for row_id in LLMUsage.objects.order_by("-created_at", "-id").values_list("id", flat=True)]

    seen: list[str] = []
    found = walk(page_size=str(size))
    while True:
        seen += ids_of(found)
        make_usage(created_at=NOON + timedelta(seconds=chance.randint(1, 5)))
        if found["next_cursor"] is None:
            break
        found = walk(page_size=str(size), cursor=found["next_cursor"])

    assert seen == expected


@pytest.mark.parametrize("seed", range(4))
def test_walk_back_gives_the_same_rows_and_the_new_ones(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(chance.randint(10, 25)):
        make_usage(created_at=NOON + timedelta(microseconds=chance.randint(0, 2)))
    size = str(chance.randint(1, 5))
    found = walk(page_size=size)
    while found["next_cursor"]:
        found = walk(page_size=size, cursor=found["next_cursor"])
    make_usage(created_at=NOON + timedelta(seconds=1))

    seen = ids_of(found)
    while found["previous_cursor"]:
        found = walk(page_size=size, cursor=found["previous_cursor"])
        seen = ids_of(found) + seen

    assert seen == ids_of(page(page_size="100"))


def test_walk_keeps_to_its_filters() -> None:
    for number in range(6):
        make_usage(node_name="even" if number % 2 == 0 else "odd")

    first = walk(node="even", page_size="2")
    second = walk(node="even", page_size="2", cursor=first["next_cursor"])

    assert len(first["results"] + second["results"]) == 3
    with pytest.raises(InvalidField, match="not valid for these filters"):
        walk(node="odd", page_size="2", cursor=first["next_cursor"])


def test_walk_takes_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for name in ("alice", "bob", "carol", "dora"):
        make_usage(user=make_user(name))
    cursor = walk(page_size="2")["next_cursor"]

    with django_assert_num_queries(1):
        assert len(walk(cursor=cursor)["results"]) == 2


def test_item_of_older_code_has_its_keys_masked() -> None:
    make_usage(success=False, error="Incorrect API key provided: sk-proj-abcdefghijklmnopqrstuvwx012345")

    [item] = page()["results"]

    assert "abcdefghijkl" not in item["error"]
