"""Breakdowns that the database ranks: the same documents as from one statement over every group, of one moment."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections, transaction
from pytest_django import DjangoAssertNumQueries

from agentcore_metering.adapters.django.models import LLMUsage, RollupCoverage
from agentcore_metering.adapters.django.rollups.keeping import keep_sums
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.stats import breakdown, breakdown_top, parse_breakdown_query, usage_breakdown
from agentcore_metering.adapters.django.stats.breakdown_top import is_for_database
from tests.django.factories import make_usage

pytestmark = pytest.mark.django_db(transaction=True)

PERIOD = {"start_date": ["2026-02-20"], "end_date": ["2026-03-02"]}
END = datetime(2026, 3, 3, tzinfo=UTC)
REFRESHED = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)


@pytest.fixture
def rows(db: None) -> None:
    """Random rows of 24 days by a dozen users, some of them equal in every figure; most are summed up, some written to since."""
    chance = random.Random(815)
    made = []
    for number in range(400):
        status = chance.choice([None, "succeeded", "succeeded", "failed", "cancelled"])
        at = END - timedelta(minutes=chance.randrange(24 * 24 * 60))
        made.append(
            LLMUsage(
                model=chance.choice(["gpt", "Claude", "\u00e9clair", "zeta"]),
                user_id=chance.choice([None, *range(1, 12)]),
                cost=chance.choice([None, Decimal(chance.randrange(-(10**13), 10**15)).scaleb(-12)]),
                cost_currency=chance.choice(["USD", "usd", "", "CNY", "EUR"]),
                status=status,
                success=status != "failed",
                total_tokens=chance.randrange(3),
                prompt_tokens=number,
                created_at=at,
                started_at=chance.choice([None, at - timedelta(milliseconds=chance.randrange(9_000))]),
            )
        )
    made += [LLMUsage(model="m", user_id=user, created_at=END - timedelta(days=2)) for user in (90, 100, 91)]
    LLMUsage.objects.bulk_create(made)
    refresh("default", now=REFRESHED)
    LLMUsage.objects.filter(total_tokens=1, prompt_tokens__lt=100).update(model="changed")


def of_one_statement(params: dict[str, list[str]]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(breakdown, "is_for_database", lambda query: False)
        return usage_breakdown(parse_breakdown_query(params))


def of_database(params: dict[str, list[str]]) -> dict[str, Any]:
    query = parse_breakdown_query(params)
    assert is_for_database(query)
    return usage_breakdown(query)


@pytest.mark.parametrize("names", ["user", "user,model", "model,user", "user,day", "day,user", "model,month,user"])
@pytest.mark.parametrize("compare", ["", "previous"])
def test_document_is_that_of_every_group_ranked_in_python(rows: None, names: str, compare: str) -> None:
    for order in (
        "",
        *(sign + name for sign in ("", "-") for name in ("calls", "cost", "failed", "latency", "tokens")),
    ):
        for limit in (1, 4, 100):
            params = {
                **PERIOD,
                "group_by": [names],
                "order": [order],
                "limit": [str(limit)],
                "compare": [compare],
            }
            assert of_database(params) == of_one_statement(params), (order, limit)


@pytest.mark.parametrize(
    "params",
    [
        {"group_by": ["user"], "limit": ["3"], "order": ["-cost"]},
        {**PERIOD, "group_by": ["user,outcome"], "limit": ["3"], "order": ["-cost"]},
        {**PERIOD, "group_by": ["user"], "limit": ["3"], "model": ["gpt", "zeta"], "order": ["-tokens"]},
        {**PERIOD, "group_by": ["user,day"], "limit": ["3"], "tz": ["Asia/Kathmandu"], "compare": ["previous"]},
        {**PERIOD, "group_by": ["user"], "limit": ["3"], "user": ["3", "7"], "order": ["latency"]},
        {**PERIOD, "group_by": ["user"], "limit": ["3"], "model": ["nobody's"]},
    ],
)
def test_filters_zones_and_open_periods_change_nothing_of_that(rows: None, params: dict[str, list[str]]) -> None:
    assert of_database(params) == of_one_statement(params)


def test_amounts_that_differ_in_the_last_place_are_ranked(db: None) -> None:
    for user, cost in ((1, "9000000.000000000002"), (2, "9000000.000000000003"), (3, "-5"), (4, "-5.000000000001")):
        make_usage(user_id=user, cost=Decimal(cost), created_at=END - timedelta(days=2))
    refresh("default", now=END)

    found = of_database({**PERIOD, "group_by": ["user"], "order": ["-cost"], "limit": ["4"]})

    assert [row["keys"]["user"] for row in found["rows"]] == ["2", "1", "3", "4"]


def test_hours_that_retention_left_to_the_total_alone_are_in_neither(rows: None) -> None:
    kept_until = keep_sums("default", END - timedelta(days=6), now=REFRESHED)
    LLMUsage.objects.filter(created_at__lt=kept_until).delete()
    params = {"start_date": ["2026-02-20T09:00:00Z"], "end_date": ["2026-03-02"], "group_by": ["user"], "limit": ["3"]}

    assert RollupCoverage.objects.get().kept_until is not None
    assert of_database(params) == of_one_statement(params)


@pytest.mark.parametrize(
    "params",
    [
        {**PERIOD, "group_by": ["user"]},
        {**PERIOD, "group_by": ["user"], "limit": ["101"]},
        {**PERIOD, "group_by": ["model"], "limit": ["3"]},
        {**PERIOD, "group_by": ["user,currency"], "limit": ["3"]},
        {**PERIOD, "group_by": ["user"], "limit": ["3"], "currency": ["USD"]},
        {**PERIOD, "group_by": ["user,node"], "limit": ["3"]},
    ],
)
def test_what_gains_nothing_by_it_is_ranked_in_python(params: dict[str, list[str]]) -> None:
    assert not is_for_database(parse_breakdown_query(params))


def test_within_a_transaction_one_statement_is_what_there_is() -> None:
    query = parse_breakdown_query({**PERIOD, "group_by": ["user"], "limit": ["3"]})

    with transaction.atomic():
        assert not is_for_database(query)
    assert is_for_database(query)


def test_ranked_breakdown_takes_so_many_statements(
    rows: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # How long sums are kept, and the total, the ranking and the rows with a plan each; beside them what begins and ends it.
    with django_assert_num_queries(7 + (3 if connection.vendor == "postgresql" else 2)):
        of_database({**PERIOD, "group_by": ["user,model"], "limit": ["3"], "order": ["-cost"], "compare": ["previous"]})


def test_failure_ends_the_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(breakdown_top, "ranked_groups", fail)
    with pytest.raises(RuntimeError, match="broken"):
        of_database({"group_by": ["user"], "limit": ["3"]})

    monkeypatch.undo()
    assert of_database({"group_by": ["user"], "limit": ["3"]})["rows"] == []


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL (DATABASE_URL names one)")
@pytest.mark.parametrize("moment", ["ranked_groups", "groups_of"])
def test_what_is_written_between_its_statements_is_in_none_of_them(
    rows: None, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    params = {**PERIOD, "group_by": ["user,model"], "limit": ["5"], "order": ["-cost"]}
    before = of_one_statement(params)
    original = getattr(breakdown_top, moment)

    def write() -> None:
        try:
            LLMUsage.objects.filter(created_at__lt=END - timedelta(days=3)).update(user_id=1, model="all of it")
            make_usage(user_id=77, cost=Decimal(10**6), created_at=END - timedelta(days=1))
            refresh("default", now=REFRESHED)
        finally:
            connections.close_all()

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(20)
        return original(*args, **kwargs)

    monkeypatch.setattr(breakdown_top, moment, overtaken)

    assert of_database(params) == before

    monkeypatch.undo()
    after = of_database(params)
    assert after["rows"][0]["keys"]["user"] == "77"
    assert after == of_one_statement(params)
