"""The usage dashboard: its figures are those of the API, whoever may see rows sees it, and nothing in its address breaks it."""

from __future__ import annotations

import codecs
import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agentcore_metering.adapters.django.admin.dashboard_figures import SHOWN_LINES
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.stats import parse_stats_query, token_stats
from tests.django.admin.pages import client_of, text_of, url
from tests.django.factories import NOON, make_usage, make_user

pytestmark = pytest.mark.django_db

WEEK = {"range": "custom", "from": "2026-02-17", "to": "2026-02-23", "tz": "Asia/Shanghai"}
AS_API = {"start_date": "2026-02-17", "end_date": "2026-02-23", "tz": "Asia/Shanghai", "granularity": "month"}


def page(client: Client, **params: str) -> Any:
    return client.get(url("llmusage", "dashboard"), params)


def lines_of(client: Client, table: str, **params: str) -> list[dict[str, str]]:
    content = page(client, **{**WEEK, **params}, csv=table).content
    assert content.startswith(codecs.BOM_UTF8)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.fixture
def usage() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    make_usage(user=bob, node_name="too late", created_at=NOON + timedelta(days=30))
    for hours, user, cost, currency in (
        (0, alice, "0.100000000001", "USD"),
        (1, alice, "0.200000000002", "USD"),
        (5, bob, "7", "CNY"),
        (30, None, None, "USD"),
    ):
        moment = NOON + timedelta(hours=hours)
        make_usage(
            model=f"openai/{currency.lower()}",
            user=user,
            node_name=f"node {hours}",
            created_at=moment,
            started_at=moment - timedelta(seconds=2 + hours),
            status="succeeded" if cost else "failed",
            success=cost is not None,
            cost=cost,
            cost_currency=currency,
        )


@pytest.mark.parametrize(
    ("permissions", "status"),
    [
        ((), 403),
        (("view_llmprice",), 403),
        (("manage_config",), 403),
        (("view_usage",), 200),
        (("view_llmusage",), 200),
    ],
)
def test_dashboard_is_for_those_who_may_see_rows(permissions: tuple[str, ...], status: int) -> None:
    client = client_of("carol", *permissions)

    assert page(client, **WEEK).status_code == status
    assert page(client, **WEEK, csv="user").status_code == status


def test_dashboard_sends_a_user_who_is_not_staff_to_the_login() -> None:
    assert page(client_of("mallory", "view_usage", is_staff=False)).status_code == 302


def test_dashboard_figures_are_those_of_token_stats(admin: Client, usage: None) -> None:
    document = token_stats(parse_stats_query(AS_API))

    shown = page(admin, **WEEK)

    assert shown.context["summary"] == document["summary"]
    series = lines_of(admin, "series")
    assert [line["series"] for line in series] == document["expected_buckets"]
    for line, item in zip(series, document["series"]["items"], strict=True):
        assert line["total_calls"] == str(item["total_calls"])
        assert line["failed_calls"] == str(item["failed_calls"])
        assert line["total_tokens"] == str(item["total_tokens"])
        assert line["p95_e2e_latency_sec"] == str(item["p95_e2e_latency_sec"] or "")
        costs = {cost["currency"]: cost["amount"] for cost in item["costs"]}
        assert (line["cost_USD"], line["cost_CNY"]) == (costs.get("USD", ""), costs.get("CNY", ""))
    assert [line["model"] for line in lines_of(admin, "model")] == [item["model"] for item in document["by_model"]]


def test_dashboard_never_adds_currencies(admin: Client, usage: None) -> None:
    text = text_of(page(admin, **WEEK))

    assert "0.300000000003 USD" in text
    assert "7.00 CNY" in text
    assert "Cost, CNY" in text
    assert "Cost, USD" in text
    assert "7.3" not in text
    assert "unpriced: 1" in text


@pytest.mark.parametrize("is_summed_up", [False, True])
def test_dashboard_tables_by_user_and_node_are_exact(admin: Client, usage: None, is_summed_up: bool) -> None:
    if is_summed_up:
        refresh("default", now=datetime(2026, 3, 1, tzinfo=UTC))

    by_user = {re.sub(r" \(#\d+\)", "", line["user"]): line for line in lines_of(admin, "user")}
    by_node = {line["node"]: line for line in lines_of(admin, "node")}

    assert by_user.keys() == {"alice", "bob", "nobody"}
    assert by_user["alice"]["cost_USD"] == "0.300000000003"
    assert by_user["bob"]["cost_CNY"] == "7.000000000000"
    assert by_user["nobody"]["failed_calls"] == "1"
    assert by_node.keys() == {"node 0", "node 1", "node 5", "node 30"}
    assert by_node["node 5"]["total_tokens"] == "15"


def test_dashboard_days_are_those_of_the_time_zone(admin: Client) -> None:
    make_usage(created_at=datetime(2026, 2, 16, 16, tzinfo=UTC))
    make_usage(created_at=datetime(2026, 2, 16, 15, 59, tzinfo=UTC))

    assert page(admin, **WEEK).context["summary"]["total_calls"] == 1
    assert lines_of(admin, "series")[0]["total_calls"] == "1"


@pytest.mark.parametrize("key", ["today", "7d", "30d", "month"])
def test_dashboard_ranges_end_today(admin: Client, key: str) -> None:
    make_usage(created_at=timezone.now())
    make_usage(created_at=timezone.now() - timedelta(days=32))

    assert page(admin, range=key, tz="UTC").context["summary"]["total_calls"] == 1


def test_dashboard_of_an_empty_database_says_so(admin: Client) -> None:
    shown = page(admin)

    assert shown.status_code == 200
    assert "There was no call in this time." in text_of(shown)
    assert lines_of(admin, "user") == []


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"range": "eon"}, "“eon” is no range of the list."),
        ({"tz": "Mars/Base"}, "“Mars/Base” is no time zone; choose one such as Asia/Shanghai."),
        ({"tz": "../../etc/passwd"}, "is no time zone"),
        ({"range": "custom"}, "“” is no day such as 2026-02-21."),
        ({**WEEK, "from": "2026-02-30"}, "“2026-02-30” is no day such as 2026-02-21."),
        ({**WEEK, "from": "<b>\x00"}, "“<b>” is no day"),
        ({**WEEK, "to": "2026-02-16"}, "The last day is earlier than the first."),
        ({**WEEK, "from": "1026-02-17"}, "At most 3660 days can be shown."),
        ({**WEEK, "from": "0001-01-01", "to": "0001-01-01"}, "These days are outside of the calendar."),
        ({**WEEK, "csv": "secret"}, "“secret” is no table of this page."),
    ],
)
def test_dashboard_with_a_wrong_parameter_tells_which(admin: Client, params: dict[str, str], text: str) -> None:
    shown = page(admin, **params)

    assert shown.status_code == 400
    assert text in text_of(shown).replace("&lt;", "<").replace("&gt;", ">")
    assert b"<b>" not in shown.content


def test_dashboard_at_the_end_of_the_calendar_answers(admin: Client) -> None:
    last = "9999-12-31"

    assert page(admin, **{**WEEK, "from": last, "to": last, "tz": "UTC"}).status_code in (200, 400)


def test_dashboard_takes_as_many_queries_for_many_rows_as_for_few(admin: Client, usage: None) -> None:
    with CaptureQueriesContext(
        connection,
    ) as few:
        page(admin, **WEEK)
    for number in range(SHOWN_LINES + 5):
        make_usage(user=make_user(f"user {number}"), node_name=f"n{number}", model=f"m{number}", total_tokens=100)

    with CaptureQueriesContext(connection) as many:
        shown = page(admin, **WEEK)

    assert len(many) == len(few) == 9  # session and user, 3 x 2 of the rollups, names of users
    assert "8 more in the CSV file" in text_of(shown)
    assert len(lines_of(admin, "user")) == SHOWN_LINES + 8


def test_dashboard_file_cannot_compute(admin: Client) -> None:
    make_usage(node_name="=1+1")

    assert [line["node"] for line in lines_of(admin, "node")] == ["'=1+1"]


def test_dashboard_names_are_escaped(admin: Client) -> None:
    make_usage(model="<script>x</script>", node_name="<i>")

    shown = page(admin, **WEEK).content

    assert b"<script>x" not in shown
    assert b"<i>" not in shown


def test_dashboard_has_nothing_that_a_strict_policy_refuses(admin: Client, usage: None) -> None:
    shown = page(admin, **WEEK).content.decode()

    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", shown) == []
    assert "<style" not in shown
    assert re.findall(r"<[^>]+\s(?:style|on\w+)=", shown) == []
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", shown) == []


def test_dashboard_charts_can_be_read_without_seeing_them(admin: Client, usage: None) -> None:
    shown = page(admin, **WEEK).content.decode()

    assert len(re.findall(r'<svg [^>]*role="img" tabindex="0" aria-label="[^"]+"', shown)) == 6
    assert "<title>02-21: USD 0.300000000003</title>" in shown
    assert '<th scope="row">02-21</th>' in shown


def test_dashboard_is_linked_from_list_and_app(admin: Client) -> None:
    link = f'href="{url("llmusage", "dashboard")}"'

    assert link in admin.get(url("llmusage")).content.decode()
    assert link in admin.get("/admin/agentcore_metering/").content.decode()
    assert link not in client_of("carol", "view_llmprice").get("/admin/agentcore_metering/").content.decode()


def test_dashboard_speaks_chinese(admin: Client, usage: None) -> None:
    text = text_of(admin.get(url("llmusage", "dashboard"), WEEK, headers={"accept-language": "zh-hans"}))

    for word in ("用量看板", "按模型", "时区", "按用户", "未计价"):
        assert word in text
