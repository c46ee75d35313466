"""Whatever is written, in whichever way, and however far the rollups are: what is read is what the rows say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentcore_metering.adapters.django.models import LLMUsage, UsageRollup
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.rollups.verify import verify
from agentcore_metering.adapters.django.stats import cube as cube_module
from agentcore_metering.adapters.django.stats import parse_stats_query, token_stats
from agentcore_metering.adapters.django.stats.buckets import Calendar, Granularity, Period, period_buckets
from agentcore_metering.adapters.django.stats.cube import CubeQuery
from tests.django.factories import make_user
from tests.django.rollups.older_release import refresh_as_older_release
from tests.django.rollups.oracle import answer, expected

pytestmark = pytest.mark.django_db

FIRST = datetime(2026, 2, 26, tzinfo=UTC)
NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
"""Twelve days, with the end of a month and, in St John's, the day on which the clocks are put on."""

moments = st.one_of(
    st.integers(0, 12 * 86_400 * 10**6).map(lambda us: FIRST + timedelta(microseconds=us)),
    # At and around the bounds of hours, days and the month, in UTC and elsewhere.
    st.builds(
        lambda quarters, us: FIRST + timedelta(minutes=15 * quarters, microseconds=us),
        st.integers(0, 12 * 96),
        st.sampled_from([-1, 0, 1]),
    ),
    st.just(datetime(2025, 7, 1, 3, tzinfo=UTC)),
)
durations = st.one_of(st.none(), st.integers(-5, 200 * 10**6).map(lambda us: timedelta(microseconds=us)))
CONFIG = UUID(int=7)


@st.composite
def usage_rows(draw: st.DrawFn) -> LLMUsage:
    created_at = draw(moments)
    latency, delay = draw(durations), draw(durations)
    started_at = None if latency is None else created_at - latency
    return LLMUsage(
        created_at=created_at,
        started_at=started_at,
        ended_at=draw(st.sampled_from([None, created_at])),
        first_chunk_at=None if delay is None or started_at is None else started_at + delay,
        is_streaming=draw(st.booleans()),
        model=draw(st.sampled_from(["a", "b"])),
        provider=draw(st.sampled_from([None, "openai"])),
        response_model=draw(st.sampled_from([None, "a-1"])),
        node_name=draw(st.sampled_from([None, "n"])),
        user_id=draw(st.sampled_from([None, 7])),
        config_uuid=draw(st.sampled_from([None, CONFIG])),
        attempt=draw(st.integers(1, 2)),
        status=draw(st.sampled_from([None, "succeeded", "failed", "cancelled"])),
        success=draw(st.booleans()),
        error_type=draw(st.sampled_from([None, "Timeout"])),
        prompt_tokens=draw(st.integers(0, 2**31 - 1)),
        completion_tokens=draw(st.integers(0, 9)),
        cached_tokens=draw(st.integers(0, 9)),
        cost=draw(st.one_of(st.none(), st.decimals(-9_000_000, 9_000_000, places=12).map(Decimal))),
        cost_currency=draw(st.sampled_from(["USD", "usd", "", "CNY"])),
        cost_status=draw(st.sampled_from([None, "priced"])),
    )


queries = st.builds(
    lambda dimensions, ends, edges, filters: CubeQuery(
        dimensions,
        Period(*ends),
        tuple(sorted(edges)),
        filters,
        has_histograms=True,
    ),
    st.sampled_from(
        [
            (),
            ("model",),
            ("provider", "model", "outcome"),
            ("response_model", "error_type"),
            ("node_name", "is_priced"),
            ("user_id",),
            ("user_id", "outcome"),
            ("config_uuid", "source_type", "cost_status"),
            ("node_name", "config_uuid"),
        ]
    ),
    st.one_of(
        st.just((None, None)),
        st.tuples(moments, moments).map(lambda pair: tuple(sorted(pair))),
        moments.map(lambda start: (start, None)),
        moments.map(lambda end: (None, end)),
    ),
    st.sets(moments, max_size=4),
    st.sampled_from(
        [
            {},
            {"model": ["a"]},
            {"provider": [None]},
            {"node_name": ["n", None]},
            {"config_uuid": [CONFIG]},
            {"user_id": [7]},
        ]
    ),
)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(usage_rows(), min_size=1, max_size=4)),
        st.tuples(st.just("change"), usage_rows()),
        st.tuples(st.just("delete"), st.integers(0, 9)),
        st.tuples(st.sampled_from(["refresh", "refresh of an older release"]), st.sampled_from([0, 3, 300])),
    ),
    max_size=8,
)


def take(step: tuple[str, Any]) -> None:
    kind, what = step
    if kind == "add":
        # pk anew, because Hypothesis may give the same row again.
        LLMUsage.objects.bulk_create([LLMUsage(**values_of(row)) for row in what])
    elif kind == "change":
        found = LLMUsage.objects.order_by("pk").first()
        if found is not None:
            LLMUsage.objects.filter(pk=found.pk).update(**values_of(what))
    elif kind == "delete":
        LLMUsage.objects.filter(
            pk__in=list(LLMUsage.objects.order_by("pk").values_list("pk", flat=True)[:what])
        ).delete()
    elif kind == "refresh":
        refresh("default", now=NOW - timedelta(hours=what))
    else:
        refresh_as_older_release("default", now=NOW - timedelta(hours=what))


def values_of(row: LLMUsage) -> dict[str, Any]:
    left_out = {"id", "recorded_at"}
    return {
        field.attname: getattr(row, field.attname)
        for field in LLMUsage._meta.concrete_fields
        if field.attname not in left_out
    }


def in_a_transaction(test: Callable[[], None]) -> None:
    """Each example begins with nothing."""
    with transaction.atomic():
        test()
        transaction.set_rollback(True)


SLOW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@SLOW
@given(steps, steps, st.lists(queries, min_size=1, max_size=4))
def test_what_is_read_is_what_the_rows_say(before: list[Any], after: list[Any], asked: list[CubeQuery]) -> None:
    def compare() -> None:
        for step in [*before, ("refresh", 0), *after]:
            take(step)
        for query in asked:
            assert answer(query) == expected(query)
        assert verify("default").differences == []

    in_a_transaction(compare)


@SLOW
@given(
    rows=st.lists(usage_rows(), min_size=1, max_size=12),
    zone=st.sampled_from(["UTC", "Asia/Kathmandu", "America/St_Johns", "Asia/Shanghai", "Australia/Lord_Howe"]).map(
        ZoneInfo
    ),
    granularity=st.sampled_from(Granularity),
)
def test_series_of_any_zone_is_what_the_rows_say(
    rows: list[LLMUsage], zone: ZoneInfo, granularity: Granularity
) -> None:
    period = Period(FIRST - timedelta(hours=7, minutes=10), NOW)
    calendar = Calendar(granularity, zone)
    buckets = period_buckets(calendar, period)
    assert buckets is not None
    query = CubeQuery(("model",), period, buckets[1:], has_histograms=True)

    def compare() -> None:
        take(("add", rows))
        take(("refresh", 0))
        take(("add", rows[:1]))
        found = answer(query)
        assert found == expected(query)
        for (place, _), totals in found.items():
            locals_ = [
                row.created_at for row in LLMUsage.objects.all() if calendar.floor(row.created_at) == buckets[place]
            ]
            assert place in (0, len(buckets) - 1) or totals.calls <= len(locals_)

    in_a_transaction(compare)


@pytest.mark.parametrize(
    ("zone", "day", "calls"),
    [
        ("America/St_Johns", date(2026, 3, 8), 23 * 2),
        ("America/St_Johns", date(2026, 11, 1), 25 * 2),
        ("Asia/Kathmandu", date(2026, 3, 8), 24 * 2),
    ],
    ids=["clocks put on", "clocks put back", "quarter past"],
)
def test_day_of_a_zone_has_the_calls_of_its_own_hours(zone: str, day: date, calls: int) -> None:
    middle = datetime(day.year, day.month, day.day, tzinfo=UTC)
    LLMUsage.objects.bulk_create(
        LLMUsage(model="m", created_at=middle + timedelta(minutes=30 * half_hours)) for half_hours in range(-96, 144)
    )
    refresh("default", now=middle + timedelta(days=40))

    found = token_stats(
        parse_stats_query({"start_date": f"{day}", "end_date": f"{day}", "granularity": "month", "tz": zone})
    )

    assert [(item["bucket"], item["total_calls"]) for item in found["series"]["items"]] == [(f"{day}", calls)]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite knows no time zones")
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Asia/Kolkata", date(2026, 3, 8)),
        ("Asia/Kathmandu", date(2026, 3, 8)),
        ("America/St_Johns", date(2026, 3, 8)),
        ("America/St_Johns", date(2026, 11, 1)),
        ("Australia/Lord_Howe", date(2026, 4, 5)),
        ("Australia/Lord_Howe", date(2026, 10, 4)),
    ],
)
@pytest.mark.parametrize(("granularity", "unit"), [("day", "hour"), ("month", "day"), ("year", "month")])
def test_series_of_a_zone_is_what_sql_of_that_zone_says(zone: str, day: date, granularity: str, unit: str) -> None:
    middle = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    LLMUsage.objects.bulk_create(
        LLMUsage(model=f"m{number % 2}", created_at=middle + timedelta(minutes=11 * number), prompt_tokens=number)
        for number in range(400)
    )
    LLMUsage.objects.bulk_create(
        LLMUsage(model="m", created_at=middle - timedelta(minutes=11 * number)) for number in range(1, 400)
    )
    refresh("default", now=middle + timedelta(days=40))
    dates = {"start_date": f"{day - timedelta(days=1)}", "end_date": f"{day + timedelta(days=1)}"}

    found = token_stats(parse_stats_query({**dates, "granularity": granularity, "tz": zone}))["series"]["items"]

    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*), SUM(prompt_tokens) FROM (SELECT prompt_tokens, date_trunc('{unit}', local) AS bucket, "
            # An hour that the clocks show twice is two.
            f"CASE WHEN '{unit}' = 'hour' THEN local - created_at AT TIME ZONE 'UTC' END AS zone_offset, created_at "
            "FROM llm_tracker_usage, LATERAL (SELECT created_at AT TIME ZONE %s AS local) AS of_zone "
            "WHERE local >= %s AND local < %s) AS rows_of_zone GROUP BY bucket, zone_offset ORDER BY MIN(created_at)",
            [zone, day - timedelta(days=1), day + timedelta(days=2)],
        )
        expected_items = [(calls, int(tokens)) for calls, tokens in cursor.fetchall()]
    assert [
        (item["total_calls"], item["total_prompt_tokens"]) for item in found if item["total_calls"]
    ] == expected_items
    assert len(expected_items) >= {"hour": 71, "day": 3, "month": 1}[unit]


def test_figures_of_a_user_are_his(django_user_model: Any) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    for user in (alice, bob, None):
        LLMUsage.objects.bulk_create(
            LLMUsage(model="m", user=user, created_at=FIRST + timedelta(hours=7 * step)) for step in range(40)
        )
    refresh("default", now=NOW)
    bob.delete()

    query = CubeQuery(("user_id",), Period(FIRST, NOW))

    assert {keys: totals.calls for (_, keys), totals in answer(query).items()} == {(alice.pk,): 40, (None,): 80}
    assert answer(query) == expected(query)


def test_rollups_are_what_is_read_where_they_hold() -> None:
    LLMUsage.objects.create(model="m", created_at=FIRST)
    refresh("default", now=NOW)
    UsageRollup.objects.update(calls=7)

    [totals] = answer(CubeQuery(period=Period(FIRST, NOW))).values()

    assert totals.calls == 7


def test_plan_that_no_longer_holds_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    LLMUsage.objects.create(model="m", created_at=FIRST)
    refresh("default", now=NOW)
    plans = []
    make_plan = cube_module.planned

    def planned_and_overtaken(*args: Any, **kwargs: Any) -> Any:
        plan = make_plan(*args, **kwargs)
        if not plans:
            LLMUsage.objects.create(model="m", created_at=FIRST)
        plans.append(plan)
        return plan

    monkeypatch.setattr(cube_module, "planned", planned_and_overtaken)

    [totals] = answer(CubeQuery(period=Period(FIRST, NOW))).values()

    assert (totals.calls, len(plans)) == (2, 2)


def test_plans_that_never_hold_end_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    LLMUsage.objects.create(model="m", created_at=FIRST)
    refresh("default", now=NOW)
    make_plan = cube_module.planned

    def planned_and_overtaken(*args: Any, **kwargs: Any) -> Any:
        refresh("default", now=NOW)
        plan = make_plan(*args, **kwargs)
        LLMUsage.objects.create(model="m", created_at=FIRST)
        return plan

    monkeypatch.setattr(cube_module, "planned", planned_and_overtaken)

    [totals] = answer(CubeQuery(period=Period(FIRST, NOW))).values()

    assert totals.calls == 2 + cube_module.PLANS


def test_triggers_that_are_gone_leave_the_rows_to_be_read() -> None:
    LLMUsage.objects.create(model="m", created_at=FIRST)
    refresh("default", now=NOW)
    with connection.cursor() as cursor:
        table = " ON llm_tracker_usage" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER agentcore_metering_rollup_insert_v1{table}")
    LLMUsage.objects.create(model="m", created_at=FIRST)
    query = CubeQuery(period=Period(FIRST, NOW))

    assert answer(query) == expected(query)

    refresh("default", now=NOW)

    assert answer(query) == expected(query)
    assert UsageRollup.objects.filter(grain=1).get().calls == 2
