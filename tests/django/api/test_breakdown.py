"""`usage-breakdown/`: exact by every dimension, ranked, cut off without a loss, compared with the period before."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from agentcore_metering.adapters.django.api.serializers.breakdown import UsageBreakdownSerializer
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.stats import breakdown
from tests.django.api.urls import USAGE_BREAKDOWN
from tests.django.factories import make_usage, make_user

pytestmark = pytest.mark.django_db

PERIOD = {"start_date": "2026-02-27", "end_date": "2026-03-02"}
START, END = datetime(2026, 2, 27, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
REFRESHED = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)

# What each dimension is in SQL of its own, over the rows.
SQL = {
    "model": "model",
    "response_model": "response_model",
    "provider": "provider",
    "operation": "operation",
    "user": "user_id",
    "node": "node_name",
    "source_type": "source_type",
    "config": "config_uuid",
    "currency": "CASE WHEN cost_currency = '' THEN 'USD' ELSE UPPER(cost_currency) END",
    "outcome": "COALESCE(status, CASE WHEN success THEN 'succeeded' ELSE 'failed' END)",
    "error_type": "error_type",
}
CONFIGS = [None, UUID(int=1), UUID(int=2)]


@pytest.fixture
def rows(db: None) -> None:
    """Random rows of 10 days, most of them summed up, and some written to since."""
    chance = random.Random(4711)
    users = [None, make_user("alice"), make_user("bob")]
    for number in range(120):
        status = chance.choice([None, "succeeded", "failed", "cancelled"])
        make_usage(
            model=chance.choice(["gpt", "claude", "qwen"]),
            response_model=chance.choice([None, "gpt-2026", "claude-2026"]),
            provider=chance.choice([None, "openai", "anthropic"]),
            operation=chance.choice(["chat", "embeddings"]),
            user=chance.choice(users),
            node_name=chance.choice([None, "plan", "write"]),
            source_type=chance.choice([None, "task"]),
            config_uuid=chance.choice(CONFIGS),
            cost=chance.choice([None, Decimal(chance.randrange(10**15)).scaleb(-12)]),
            cost_currency=chance.choice(["USD", "usd", "", "CNY"]),
            status=status,
            success=status != "failed",
            error_type=chance.choice([None, "RateLimitError", "Timeout"]),
            total_tokens=number,
            created_at=END - timedelta(minutes=chance.randrange(10 * 24 * 60)),
        )
    refresh(connection.alias, now=REFRESHED)
    LLMUsage.objects.filter(total_tokens__lt=10).update(node_name="changed")


def get(api: APIClient, **params: Any) -> Any:
    response = api.get(USAGE_BREAKDOWN, params)
    assert response.status_code == 200, response.content
    return response.json()


def raw(names: tuple[str, ...], start: datetime, end: datetime, where: str = "1 = 1") -> dict[Any, Any]:
    """Rows, tokens, failures and amounts by currency, added up from single rows that the database gives."""
    columns = ", ".join((*(SQL[name] for name in names), SQL["currency"], SQL["outcome"], "total_tokens", "id"))
    costs = dict(LLMUsage.objects.values_list("pk", "cost"))
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM llm_tracker_usage WHERE created_at >= %s AND created_at < %s AND {where}",
            [adapt(start), adapt(end)],
        )
        found = cursor.fetchall()
    sums: dict[Any, Any] = defaultdict(lambda: [0, 0, 0, defaultdict(Decimal)])
    for *keys, currency, outcome, tokens, pk in found:
        group = sums[tuple(text(name, key) for name, key in zip(names, keys, strict=True))]
        group[0] += 1
        group[1] += tokens
        group[2] += outcome not in ("succeeded", "cancelled")
        cost = costs[pk if isinstance(pk, UUID) else UUID(pk)]
        if cost is not None:
            group[3][currency] += cost
    return {keys: (calls, tokens, failed, dict(amounts)) for keys, (calls, tokens, failed, amounts) in sums.items()}


def text(name: str, key: Any) -> str | None:
    if key is None:
        return None
    return str(UUID(key) if name == "config" and isinstance(key, str) else key)


def sums_of(figures: Any) -> Any:
    amounts = {cost["currency"]: Decimal(cost["amount"]) for cost in figures["costs"]}
    return figures["total_calls"], figures["total_tokens"], figures["failed_calls"], amounts


NOTHING = (0, 0, 0, {})
GROUPS = [
    (),
    *((name,) for name in SQL),
    *combinations(("model", "user", "node", "currency", "outcome"), 2),
    ("model", "provider", "outcome"),
    ("config", "source_type", "error_type"),
]


@pytest.mark.parametrize("names", GROUPS, ids="-".join)
def test_rows_and_those_of_the_period_before_are_the_sums_of_the_usage_rows(
    api: APIClient, rows: None, names: tuple[str, ...]
) -> None:
    body = get(api, **PERIOD, group_by=",".join(names), compare="previous")

    now = raw(names, START, END)
    before = raw(names, START - (END - START), START)
    expected = {keys: (now.get(keys, NOTHING), before.get(keys, NOTHING)) for keys in {*now, *before}}
    found = {
        tuple(row["keys"][name] for name in names): (sums_of(row), sums_of(row["previous"])) for row in body["rows"]
    }
    assert found == expected
    assert len(body["rows"]) == len(expected)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York"])
@pytest.mark.parametrize("bucket", ["hour", "day", "month"])
def test_buckets_of_time_have_the_rows_between_two_of_their_edges(
    api: APIClient, rows: None, bucket: str, zone: str
) -> None:
    body = get(api, **PERIOD, tz=zone, group_by=f"{bucket},model")

    local = ZoneInfo(zone)
    start, end = (moment.replace(tzinfo=local) for moment in (START, END))
    expected: dict[Any, int] = defaultdict(int)
    for row in LLMUsage.objects.filter(created_at__gte=start, created_at__lt=end):
        at = row.created_at.astimezone(local).replace(minute=0, second=0, microsecond=0)
        name = {"hour": at, "day": at.date(), "month": at.replace(day=1, hour=0)}[bucket].isoformat()
        expected[name, row.model] += 1
    assert {(row["keys"][bucket], row["keys"]["model"]): row["total_calls"] for row in body["rows"]} == expected
    assert [row["keys"][bucket] for row in body["rows"]] == sorted(row["keys"][bucket] for row in body["rows"])


def test_bucket_is_compared_with_the_one_as_long_before(api: APIClient) -> None:
    make_usage(created_at=START + timedelta(days=3, hours=1))
    for _ in range(2):
        make_usage(created_at=START - timedelta(days=1) + timedelta(hours=1))

    body = get(api, **PERIOD, group_by="day", compare="previous")

    (row,) = body["rows"]
    assert (row["keys"]["day"], row["total_calls"], row["previous"]["total_calls"]) == ("2026-03-02", 1, 2)
    assert body["previous_period"] == {"start": "2026-02-23T00:00:00+00:00", "end": "2026-02-27T00:00:00+00:00"}


def test_days_as_written_far_from_utc_are_compared_too(api: APIClient, rows: None) -> None:
    far = {"start_date": "2026-02-27T23:00:00-08:00", "end_date": "2026-03-02T23:00:00-08:00"}

    body = get(api, **far, group_by="day", compare="previous")

    start, end = datetime(2026, 2, 28, 7, tzinfo=UTC), datetime(2026, 3, 3, 7, 0, 0, 1, tzinfo=UTC)
    assert sums_of(body["total"]) == raw((), start, end)[()]
    assert sums_of(body["total"]["previous"]) == raw((), start - (end - start), start)[()]


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("order", ["", "-cost", "tokens", "failed"])
def test_rows_and_other_are_the_whole(api: APIClient, rows: None, limit: int, order: str) -> None:
    whole = get(api, **PERIOD, group_by="model,node", order=order, compare="previous")
    body = get(api, **PERIOD, group_by="model,node", order=order, compare="previous", limit=limit)

    assert body["rows"] == whole["rows"][:limit]
    assert body["total"] == whole["total"]
    assert body["other"]["groups"] == len(whole["rows"]) - limit
    for name in ("total_calls", "total_tokens", "failed_calls", "logical_calls", "priced_calls"):
        for figures in (lambda item: item, lambda item: item["previous"]):
            parts = [figures(item)[name] for item in (*body["rows"], body["other"])]
            assert sum(parts) == figures(body["total"])[name]
    for currency, amount in sums_of(body["total"])[3].items():
        assert sum(sums_of(item)[3].get(currency, 0) for item in (*body["rows"], body["other"])) == amount


def test_nothing_is_cut_off_where_the_limit_is_not_reached(api: APIClient) -> None:
    make_usage()

    assert get(api, group_by="model", limit=1)["other"] is None


@pytest.mark.parametrize(
    ("order", "models"),
    [
        ("", ["many", "dear", "slow"]),
        ("calls", ["dear", "slow", "many"]),
        ("-calls", ["many", "dear", "slow"]),
        ("-cost", ["dear", "many", "slow"]),
        ("cost", ["many", "dear", "slow"]),
        ("-tokens", ["many", "dear", "slow"]),
        ("-failed", ["slow", "dear", "many"]),
        ("-latency", ["slow", "many", "dear"]),
        ("latency", ["many", "slow", "dear"]),
    ],
)
def test_order_ranks_rows_and_puts_those_without_the_figure_last(api: APIClient, order: str, models: list[str]) -> None:
    at = datetime(2026, 2, 21, 12, tzinfo=UTC)
    for _ in range(3):
        make_usage(model="many", cost="0.1", created_at=at, started_at=at - timedelta(seconds=1))
    make_usage(model="dear", cost="9", created_at=at)
    make_usage(model="slow", cost="100", cost_currency="CNY", created_at=at, started_at=at - timedelta(seconds=9))
    make_usage(model="dear", created_at=at, total_tokens=0)
    make_usage(model="slow", status="failed", success=False, created_at=at, total_tokens=0)

    body = get(api, group_by="model", order=order)

    assert [row["keys"]["model"] for row in body["rows"]] == models
    assert body["order_currency"] == ("USD" if "cost" in order else None)


@pytest.mark.parametrize(
    ("params", "where"),
    [
        ({"model": ["gpt", "qwen"]}, "model IN ('gpt', 'qwen')"),
        ({"response_model": "gpt-2026"}, "response_model = 'gpt-2026'"),
        ({"provider": "openai", "outcome": "failed"}, f"provider = 'openai' AND {SQL['outcome']} = 'failed'"),
        ({"operation": "chat"}, "operation = 'chat'"),
        ({"node": "plan"}, "node_name = 'plan'"),
        ({"source_type": "task"}, "source_type = 'task'"),
        ({"currency": "usd"}, f"{SQL['currency']} = 'USD'"),
        ({"currency": ["CNY", "EUR"]}, f"{SQL['currency']} = 'CNY'"),
        ({"error_type": "Timeout", "node": "write"}, "error_type = 'Timeout' AND node_name = 'write'"),
    ],
)
def test_filters_let_exactly_their_rows_through(api: APIClient, rows: None, params: dict[str, Any], where: str) -> None:
    body = get(api, **PERIOD, **params, group_by="model")

    expected = raw(("model",), START, END, where)
    assert {(row["keys"]["model"],): sums_of(row) for row in body["rows"]} == expected


def test_user_and_config_are_filtered_by_their_keys(api: APIClient, rows: None) -> None:
    user = make_user("carol")
    make_usage(user=user, config_uuid=UUID(int=9), created_at=START)

    assert get(api, **PERIOD, user=user.pk)["total"]["total_calls"] == 1
    (row,) = get(api, **PERIOD, config=str(UUID(int=9)), group_by="user,config")["rows"]
    assert row["keys"] == {"user": str(user.pk), "config": str(UUID(int=9))}


BAD = [
    ({"group_by": "colour"}, "group_by"),
    ({"group_by": "model,,user"}, "group_by"),
    ({"group_by": "model,model"}, "group_by"),
    ({"group_by": "model,user,node,config"}, "group_by"),
    ({**PERIOD, "group_by": "hour,day"}, "group_by"),
    ({"group_by": "day"}, "group_by"),
    ({"group_by": "day", "start_date": "2026-01-01"}, "group_by"),
    ({"group_by": "hour", "start_date": "2020-01-01", "end_date": "2026-01-01"}, "group_by"),
    ({"group_by": "id; DROP TABLE llm_tracker_usage"}, "group_by"),
    ({"order": "price"}, "order"),
    ({"order": "--cost"}, "order"),
    ({"limit": "0"}, "limit"),
    ({"limit": "1001"}, "limit"),
    ({"limit": "-1"}, "limit"),
    ({"limit": "9" * 5000}, "limit"),
    ({"limit": "\u0661"}, "limit"),
    ({"compare": "next"}, "compare"),
    ({"compare": "previous"}, "compare"),
    ({"compare": "previous", "start_date": "0001-01-02", "end_date": "9999-12-30"}, "compare"),
    ({"tz": "Mars/Olympus"}, "tz"),
    ({"start_date": "yesterday"}, "start_date"),
    ({"start_date": "2026-02-02", "end_date": "2026-02-01"}, "end_date"),
    ({"user": "nobody"}, "user"),
    ({"user": "9" * 40}, "user"),
    ({"config": "1"}, "config"),
    ({"outcome": "fine"}, "outcome"),
    ({"model": "a\x00b"}, "model"),
    ({"model": "m" * 256}, "model"),
    ({"node": [str(number) for number in range(51)]}, "node"),
    ({"modell": "gpt"}, "parameters"),
]


@pytest.mark.parametrize(("params", "field"), BAD)
def test_bad_parameter_is_refused_by_name_without_a_query(
    api: APIClient, params: dict[str, Any], field: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        response = api.get(USAGE_BREAKDOWN, params)

    assert response.status_code == 400
    assert list(response.json()) == [field]


@pytest.mark.parametrize("value", ["' OR 1=1 --", "%s", "%(x)s", "\\", "\ud7ff\U0001f600", "{0}", '"; --'])
def test_hostile_values_select_nothing(api: APIClient, value: str) -> None:
    make_usage()

    for name in ("model", "response_model", "provider", "node", "source_type", "error_type", "currency"):
        assert get(api, **{name: value}, group_by=name)["rows"] == []


def test_more_rows_than_an_answer_may_have_are_refused(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breakdown, "MAX_ROWS", 2)
    for model in ("one", "two", "three"):
        make_usage(model=model)

    response = api.get(USAGE_BREAKDOWN, {"group_by": "model"})

    assert (response.status_code, list(response.json())) == (400, ["limit"])
    assert get(api, group_by="model", limit=2)["other"]["groups"] == 1


def test_more_groups_than_are_read_are_refused_rather_than_summed_up_in_part(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breakdown, "MAX_GROUPS", 1)
    make_usage(cost="1", cost_currency="USD")
    make_usage(cost="1", cost_currency="CNY")

    response = api.get(USAGE_BREAKDOWN, {"group_by": "model"})

    assert (response.status_code, list(response.json())) == (400, ["group_by"])


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"group_by": "model,user"},
        {**PERIOD, "group_by": "day,model", "compare": "previous", "limit": 1},
        {**PERIOD, "group_by": "user,node,config", "order": "-cost", "currency": "USD"},
    ],
)
def test_breakdown_takes_two_queries_at_most(
    api: APIClient, rows: None, params: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(2):
        get(api, **params)


@pytest.mark.parametrize("compare", ["", "previous"])
def test_breakdown_has_exactly_the_described_keys(api: APIClient, rows: None, compare: str) -> None:
    body = get(api, **PERIOD, group_by="day,model", limit=2, compare=compare, order="-cost")

    assert_described(body, UsageBreakdownSerializer())


def assert_described(document: Any, serializer: Any) -> None:
    described = dict(serializer.fields)
    required = {name for name, field in described.items() if field.required}
    assert required <= document.keys() <= described.keys()
    for name, value in document.items():
        field = described[name]
        inner = getattr(field, "child", field)
        assert value is not None or field.allow_null, name
        for item in value if isinstance(value, list) else [value]:
            if hasattr(inner, "fields") and item is not None:
                assert_described(item, inner)
