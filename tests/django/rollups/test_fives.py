from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from agentcore_metering.adapters.django.models import LLMUsage, UsageRollup, UserTotalRollup
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.dialects import dialect_of
from agentcore_metering.adapters.django.rollups.fives import has_fives
from agentcore_metering.adapters.django.rollups.grains import ceil, floor, following
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.rollups.verify import verify
from agentcore_metering.adapters.django.stats.buckets import Period
from agentcore_metering.adapters.django.stats.cube import CubeQuery
from tests.django.factories import make_usage
from tests.django.rollups.older_release import refresh_as_older_release
from tests.django.rollups.oracle import answer, expected

FIVE = datetime(2026, 2, 21, tzinfo=UTC)
NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
OF_FIVE = CubeQuery(("user_id",), Period(FIVE, FIVE + timedelta(days=5)))


@pytest.mark.parametrize(
    ("day", "first", "after"),
    [
        ("2026-02-01", "2026-02-01", "2026-02-06"),
        ("2026-02-05", "2026-02-01", "2026-02-06"),
        ("2026-02-06", "2026-02-06", "2026-02-11"),
        ("2026-02-25", "2026-02-21", "2026-02-26"),
        ("2026-02-28", "2026-02-26", "2026-03-01"),
        ("2024-02-29", "2024-02-26", "2024-03-01"),
        ("2025-12-31", "2025-12-26", "2026-01-01"),
        ("2025-12-30", "2025-12-26", "2026-01-01"),
    ],
)
def test_five_days_begin_with_every_fifth_and_the_last_take_the_rest(day: str, first: str, after: str) -> None:
    moment, start, end = (datetime.fromisoformat(f"{text}T00:00:00+00:00") for text in (day, first, after))

    assert floor(Grain.FIVE_DAYS, moment + timedelta(hours=23)) == start
    assert following(Grain.FIVE_DAYS, start) == end
    assert ceil(Grain.FIVE_DAYS, moment + timedelta(hours=23)) == end


@pytest.mark.django_db
def test_database_has_the_same_five_days() -> None:
    days = [datetime(2024, 1, 1, 13, tzinfo=UTC) + timedelta(days=number) for number in range(366)]
    LLMUsage.objects.bulk_create(LLMUsage(model="m", created_at=day) for day in days)
    five = dialect_of(connection.vendor).bucket[Grain.FIVE_DAYS].format("created_at")

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Its day of 23 hours is in the fives of March.
            cursor.execute("SET LOCAL TIME ZONE 'Europe/Berlin'")
            five = f"CAST({five} AT TIME ZONE 'UTC' AS text)"
        cursor.execute(f"SELECT {five} FROM llm_tracker_usage ORDER BY created_at", [])
        found = [text for (text,) in cursor.fetchall()]

    assert found == [f"{floor(Grain.FIVE_DAYS, day):%Y-%m-%d %H:%M:%S}" for day in days]


@pytest.mark.django_db
def test_five_days_are_read_where_they_hold() -> None:
    make_usage(created_at=FIVE)
    refresh("default", now=NOW)
    UserTotalRollup.objects.filter(grain=Grain.FIVE_DAYS).update(calls=7)

    [totals] = answer(OF_FIVE).values()

    assert totals.calls == 7


@pytest.mark.django_db
def test_five_days_are_not_read_once_an_older_release_has_refreshed() -> None:
    make_usage(created_at=FIVE)
    refresh("default", now=NOW)
    make_usage(created_at=FIVE)
    refresh_as_older_release("default", now=NOW)

    assert not has_fives("default")
    assert answer(OF_FIVE) == expected(OF_FIVE)
    assert UsageRollup.objects.get(grain=Grain.FIVE_DAYS).calls == 1


@pytest.mark.django_db
def test_five_days_that_an_older_release_left_behind_are_made_anew() -> None:
    make_usage(created_at=FIVE)
    make_usage(created_at=NOW - timedelta(days=2))
    refresh("default", now=NOW)
    make_usage(created_at=FIVE)
    refresh_as_older_release("default", now=NOW)

    refresh("default", now=NOW)

    assert has_fives("default")
    five = UsageRollup.objects.get(grain=Grain.FIVE_DAYS)
    assert (five.bucket, five.calls) == (FIVE, 2)
    assert verify("default").differences == []


@pytest.mark.django_db
def test_refresh_with_a_budget_leaves_making_them_anew_to_another() -> None:
    make_usage(created_at=FIVE)
    refresh_as_older_release("default", now=NOW)
    make_usage(created_at=FIVE)

    refresh("default", now=NOW, budget_s=60)

    assert not has_fives("default")
    assert answer(OF_FIVE) == expected(OF_FIVE)


@pytest.mark.django_db
def test_first_refresh_of_all_has_them_with_a_budget_too() -> None:
    make_usage(created_at=FIVE)

    refresh("default", now=NOW, budget_s=60)

    assert has_fives("default")
    assert UsageRollup.objects.filter(grain=Grain.FIVE_DAYS).count() == 1
