"""The pages of usage: what is in them, how they are filtered and searched, and that they stay cheap."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from agentcore_metering.adapters.django.admin import windows
from agentcore_metering.adapters.django.admin.texts import STATUSES
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from tests.django.admin.pages import messages_of, text_of, url
from tests.django.factories import NOON, make_usage, make_user

pytestmark = pytest.mark.django_db


def shown(admin: Client, **query: str) -> set[str]:
    """The models of the rows that a list shows, each row having its own."""
    response = admin.get(url("llmusage"), query, follow=True)
    assert response.status_code == 200
    return {row.model for row in response.context["cl"].result_list}


def test_a_line_has_every_figure(admin: Client) -> None:
    alice = make_user()
    make_usage(
        user=alice,
        provider="openai",
        node_name="summary",
        cached_tokens=3,
        cost="0.0000123",
        cost_currency="CNY",
        status="succeeded",
        started_at=NOON - timedelta(seconds=2.5),
        trace_id="a" * 32,
    )

    text = text_of(admin.get(url("llmusage")))

    for part in (
        "openai/gpt-4o-mini",
        "alice",
        "summary",
        "0.000012300000 CNY",
        "succeeded",
        "2.50 s",
        "aaaaaaaa…",
        "2026-02-21 12:00:00",
    ):
        assert part in text
    assert re.search(r"10 → 5 3 0\.0000", text)


def test_an_unknown_cost_is_no_zero(admin: Client) -> None:
    make_usage(cost=None)

    assert "0.000000000000" not in text_of(admin.get(url("llmusage")))


def test_a_row_shows_every_attempt_of_its_call(admin: Client) -> None:
    call_id = uuid4()
    first = make_usage(
        model="a/first", id=call_id, call_id=call_id, status="failed", success=False, error_type="RateLimitError"
    )
    second = make_usage(model="b/second", call_id=call_id, attempt=2, status="succeeded")
    make_usage(model="c/other", call_id=uuid4())

    page = admin.get(url("llmusage", "change", second.pk))

    assert url("llmusage", "change", first.pk) in page.content.decode()
    assert "RateLimitError" in text_of(page)
    assert "c/other" not in text_of(page)


def test_a_row_explains_its_cost(admin: Client) -> None:
    snapshot = {
        "currency": "USD",
        "per_token": {"input": "0.00000015", "cache_read": "0.000000075"},
        "per_unit": {"web_search": "0.01"},
        "source": "price_map",
        "version": "1.2.3",
        "tier": "flex",
    }
    row = make_usage(cost="0.5", cost_source="price_map", cost_status="priced", price_snapshot=snapshot)

    text = text_of(admin.get(url("llmusage", "change", row.pk)))

    assert "0.500000000000 USD" in text
    assert "input 0.15 USD 1,000,000 tokens" in text
    assert "cache read 0.075 USD 1,000,000 tokens" in text
    assert "web search 0.01 USD unit" in text
    assert "price_map, 1.2.3, flex" in text


@pytest.mark.parametrize("snapshot", [{"per_token": 5}, {"currency": "USD", "per_token": {"input": "?"}}, [1], "text"])
def test_a_snapshot_of_another_shape_is_shown_as_it_is(admin: Client, snapshot: Any) -> None:
    row = make_usage(price_snapshot=snapshot)

    assert admin.get(url("llmusage", "change", row.pk)).status_code == 200


def test_the_row_of_a_deleted_user_opens_and_keeps_his_key(admin: Client) -> None:
    row = make_usage(user_id=4711)

    assert "#4711" in text_of(admin.get(url("llmusage")))
    assert "#4711" in text_of(admin.get(url("llmusage", "change", row.pk)))


def test_a_row_of_the_older_schema_opens(admin: Client) -> None:
    row = make_usage(status=None, success=False, operation=None, call_id=None)

    assert "failed" in text_of(admin.get(url("llmusage")))
    assert admin.get(url("llmusage", "change", row.pk)).status_code == 200


def test_a_stored_script_is_shown_as_text(admin: Client) -> None:
    row = make_usage(model="<script>alert(1)</script>", node_name="<b>", metadata={"x": "<i>"}, error="<u>")

    for page in (admin.get(url("llmusage")), admin.get(url("llmusage", "change", row.pk))):
        body = page.content.decode()
        assert "<script>alert(1)" not in body
        assert "&lt;script&gt;" in body
        assert "<i>" not in body


@pytest.mark.parametrize(
    ("is_sampled", "template", "is_linked"),
    [
        (True, "https://traces.example/{trace_id}?span={span_id}&x=1", True),
        (False, "https://traces.example/{trace_id}", False),
        (None, "https://traces.example/{trace_id}", False),
        (True, None, False),
    ],
)
def test_usage_links_to_its_trace_where_that_was_recorded(
    admin: Client, settings: Settings, is_sampled: bool | None, template: str | None, is_linked: bool
) -> None:
    settings.AGENTCORE_METERING_TRACE_URL_TEMPLATE = template
    row = LLMUsage.objects.create(model="m", trace_id="a" * 32, span_id="b" * 16, trace_sampled=is_sampled)
    link = f'<a href="https://traces.example/{"a" * 32}?span={"b" * 16}&amp;x=1" title="{"a" * 32}" target="_blank" rel="noopener">'

    for address in (url("llmusage"), url("llmusage", "change", row.pk)):
        page = admin.get(address).content.decode()

        assert (link in page) is is_linked
        assert "a" * 32 in page


def _different_rows() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    LLMConfig.objects.create(scope="global", provider="gemini", config={})
    make_usage(model="a", status="succeeded", provider="openai", operation="chat", is_streaming=True, user=alice)
    make_usage(model="b", status="failed", success=False, provider="gemini", operation="embeddings", user=bob)
    make_usage(model="c", status="cancelled", success=False, cost_currency="CNY", cost_status="priced", cost=1)
    make_usage(
        model="d", status="interrupted", success=False, created_at=NOON - timedelta(days=3), cost_status="unpriced"
    )
    make_usage(model="old/ok", status=None)
    make_usage(model="old/bad", status=None, success=False)


@pytest.mark.parametrize(
    ("query", "models"),
    [
        ({"status": "succeeded"}, {"a", "old/ok"}),
        ({"status": "failed"}, {"b", "old/bad"}),
        ({"status": "cancelled"}, {"c"}),
        ({"status": "interrupted"}, {"d"}),
        ({"provider": "gemini"}, {"b"}),
        ({"operation": "chat"}, {"a"}),
        ({"streaming": "1"}, {"a"}),
        ({"streaming": "0"}, {"b", "c", "d", "old/ok", "old/bad"}),
        ({"currency": "CNY"}, {"c"}),
        ({"cost_status": "unpriced"}, {"d"}),
        ({"model": "old/ok"}, {"old/ok"}),
        ({"model": "old/*"}, {"old/ok", "old/bad"}),
        ({"model": ""}, {"a", "b", "c", "d", "old/ok", "old/bad"}),
        ({"from": "2026-02-18", "to": "2026-02-18"}, {"d"}),
        ({"from": "2026-02-19"}, {"a", "b", "c", "old/ok", "old/bad"}),
        ({"to": "2026-02-20"}, {"d"}),
        ({"from": "2026-02-21T12:00:01Z"}, set()),
        ({"to": "2026-02-21T12:00:00+00:00"}, {"d"}),
        ({"period": "7d"}, set()),
        ({"status": "failed", "provider": "gemini", "from": "2026-02-01"}, {"b"}),
        ({"q": "OLD/"}, {"old/ok", "old/bad"}),
        ({"q": "\x00"}, {"a", "b", "c", "d", "old/ok", "old/bad"}),
        ({"q": "%"}, set()),
    ],
    ids=str,
)
def test_each_filter_shows_its_rows(admin: Client, query: dict[str, str], models: set[str]) -> None:
    _different_rows()

    assert shown(admin, **query) == models


def test_usage_is_filtered_by_a_users_key(admin: Client) -> None:
    _different_rows()
    bob = get_user_model().objects.get(username="bob")

    assert shown(admin, user=str(bob.pk)) == {"b"}


@pytest.mark.parametrize(
    "query",
    [
        {"user": "nobody"},
        {"user": "9" * 40},
        {"from": "yesterday"},
        {"to": "2026-02-31"},
        {"from": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_a_value_that_is_none_is_told_and_is_no_error(admin: Client, query: dict[str, str]) -> None:
    response = admin.get(url("llmusage"), query, follow=True)

    assert response.status_code == 200
    assert len(messages_of(response)) == 1


@pytest.mark.parametrize(
    "query",
    [{"p": "99999999999999999999"}, {"p": "0"}, {"o": "99"}, {"e": "1"}, {"status": "no such"}, {"currency": "\x00X"}],
)
def test_a_strange_query_string_is_no_error(admin: Client, query: dict[str, str]) -> None:
    assert admin.get(url("llmusage"), query, follow=True).status_code == 200


def test_ids_are_searched_in_every_form(admin: Client) -> None:
    call_id, trace_id = uuid4(), "ab" * 16
    row = make_usage(model="a", call_id=call_id, trace_id=trace_id)
    make_usage(model="b")

    for text in (str(row.pk), row.pk.hex, str(call_id).upper(), trace_id, f" {trace_id.upper()} "):
        assert shown(admin, q=text) == {"a"}
    assert shown(admin, q=str(UUID(int=1))) == set()


def test_a_search_keeps_the_filters_and_a_filter_the_search(admin: Client) -> None:
    _different_rows()

    page = admin.get(url("llmusage"), {"q": "old", "status": "failed", "user": ""}).content.decode()

    assert '<input type="hidden" name="status" value="failed">' in page
    assert '<input type="hidden" name="q" value="old">' in page


def test_what_no_index_finds_is_searched_among_the_newest_and_then_among_older_rows(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "SEARCH_LIMIT", 3)
    for number in range(6):
        make_usage(model=f"m{number}", cost_status="unpriced", created_at=NOON - timedelta(minutes=number))

    first = admin.get(url("llmusage"), {"cost_status": "unpriced"})
    older = first.context["cl"].older_query_string
    second = admin.get(url("llmusage") + older)

    assert [row.model for row in first.context["cl"].result_list] == ["m0", "m1", "m2", "m3"]
    assert "back to 2026-02-21 11:57:00" in text_of(first)
    assert [row.model for row in second.context["cl"].result_list] == ["m4", "m5"]
    assert "Searched the newest rows" not in text_of(second)


def test_a_search_by_an_index_sees_every_row(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "SEARCH_LIMIT", 1)
    monkeypatch.setattr(windows, "SCATTERED_LIMIT", 1)
    for number in range(4):
        make_usage(model="m", created_at=NOON - timedelta(minutes=number))

    for query in ({}, {"status": "succeeded"}, {"from": "2026-02-01"}):
        assert len(admin.get(url("llmusage"), query).context["cl"].result_list) == 4


@pytest.mark.parametrize(
    ("query", "seen"),
    [({"cost_status": "priced"}, 6), ({"cost_status": "priced", "model": "m"}, 6), ({"status": "failed"}, 3)],
    ids=str,
)
def test_rows_that_an_index_picks_are_read_less_far(
    admin: Client, monkeypatch: pytest.MonkeyPatch, query: dict[str, str], seen: int
) -> None:
    monkeypatch.setattr(windows, "SEARCH_LIMIT", 5)
    monkeypatch.setattr(windows, "SCATTERED_LIMIT", 2)
    for number in range(9):
        make_usage(model="m", success=False, cost_status="priced", created_at=NOON - timedelta(minutes=number))

    assert len(admin.get(url("llmusage"), query).context["cl"].result_list) == seen


def test_counting_stops(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "COUNT_LIMIT", 100)
    LLMUsage.objects.bulk_create([LLMUsage(model="m", created_at=NOON) for _ in range(130)])

    page = admin.get(url("llmusage"), {"p": "2"})

    assert "more than 100 rows" in text_of(page)
    assert "130" not in text_of(page)
    assert page.context["cl"].result_count == 101
    assert page.context["cl"].paginator.num_pages == 2
    assert len(page.context["cl"].result_list) == 50
    assert len(admin.get(url("llmusage"), {"all": ""}).context["cl"].result_list) == 50


@pytest.mark.parametrize("query", [{}, {"cost_status": "priced"}, {"q": "m"}, {"user": "1"}], ids=str)
def test_more_rows_take_no_more_queries(admin: Client, query: dict[str, str]) -> None:
    counts = []
    for size in (2, 40):
        for number in range(size):
            make_usage(
                model=f"m{number}", user=make_user(f"user-{size}-{number}"), cost_status="priced", call_id=uuid4()
            )
        with CaptureQueriesContext(
            connection,
        ) as queries:
            admin.get(url("llmusage"), query)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_a_list_asks_for_no_count_of_the_table_and_no_distinct_value(admin: Client) -> None:
    LLMUsage.objects.bulk_create([LLMUsage(model="m", created_at=NOON) for _ in range(60)])

    with CaptureQueriesContext(connection) as queries:
        admin.get(url("llmusage"))

    of_usage = [query["sql"] for query in queries if "llm_tracker_usage" in query["sql"]]
    assert of_usage
    assert all("LIMIT" in sql for sql in of_usage)
    assert not any("DISTINCT" in sql for sql in of_usage)
    assert not any("usage_raw" in sql for sql in of_usage)


def test_the_statuses_are_all_there(admin: Client) -> None:
    text = text_of(admin.get(url("llmusage")))

    assert all(str(word) in text for word in STATUSES.values())


def test_a_period_ends_now(admin: Client) -> None:
    make_usage(model="new", created_at=timezone.now() - timedelta(minutes=5))
    make_usage(model="old", created_at=timezone.now() - timedelta(hours=2))

    assert shown(admin, period="1h") == {"new"}
    assert shown(admin, period="24h") == {"new", "old"}
    assert shown(admin, period="no such") == {"new", "old"}


def test_a_cost_change_names_its_row(admin: Client, rows: dict[str, Any]) -> None:
    page = admin.get(url("llmcostchange"))

    assert "1.000000000000 USD" in text_of(page)
    assert url("llmusage", "change", rows["llmusage"].pk) in page.content.decode()
    assert admin.get(url("llmcostchange", "change", rows["llmcostchange"].pk)).status_code == 200
    assert admin.get(url("llmcostchange"), {"q": "no id"}).status_code == 200
