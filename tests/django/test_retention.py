from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from agentcore_metering.adapters.django.config.policy import change_policy
from agentcore_metering.adapters.django.models import LLMUsage, LLMUsageSeries
from agentcore_metering.adapters.django.retention import apply_retention, preview_retention
from agentcore_metering.adapters.django.rollups.refresh import refresh
from tests.django.factories import make_usage

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def make_rows(*ages_days: float) -> None:
    for number, age in enumerate(ages_days):
        make_usage(total_tokens=number, created_at=NOW - timedelta(days=age))


def left() -> list[int]:
    return list(LLMUsage.objects.order_by("total_tokens").values_list("total_tokens", flat=True))


def test_rows_older_than_the_policy_keeps_are_deleted() -> None:
    make_rows(400, 365.01, 364.99, 1)

    result = apply_retention(now=NOW)

    assert (result.deleted_usage, result.retention_days, result.is_complete) == (2, 365, True)
    assert result.cutoff == NOW - timedelta(days=365)
    assert left() == [2, 3]


def test_policy_in_the_database_wins_over_the_setting() -> None:
    make_rows(31, 29)
    change_policy({"retention_days": 30})

    assert apply_retention(now=NOW).deleted_usage == 1
    assert left() == [1]


def test_policy_that_is_off_deletes_nothing_unless_days_are_named() -> None:
    make_rows(400)
    change_policy({"cleanup_enabled": False})

    assert apply_retention(now=NOW).skipped == "cleanup_disabled"
    assert left() == [0]
    assert apply_retention(365, now=NOW).deleted_usage == 1


@pytest.mark.parametrize("days", [0, -1])
def test_impossible_retention_deletes_nothing(days: int) -> None:
    make_rows(400)

    assert apply_retention(days, now=NOW).skipped == "invalid_retention_days"
    assert left() == [0]


@pytest.mark.parametrize("days", [999_999, 10**12])
@pytest.mark.parametrize("is_summed_up", [True, False])
def test_more_days_than_the_calendar_has_keep_everything(days: int, is_summed_up: bool, settings: Settings) -> None:
    settings.AGENTCORE_METERING_RETENTION_DAYS = days
    make_rows(400)
    if is_summed_up:
        refresh("default", now=NOW)

    assert preview_retention(now=NOW).deleted == 0
    result = apply_retention(now=NOW)
    assert (result.deleted, result.is_complete, result.retention_days) == (0, True, days)
    assert left() == [0]


def test_older_series_goes_too() -> None:
    for age in (400, 1):
        LLMUsageSeries.objects.create(granularity="hour", bucket=NOW - timedelta(days=age), model=f"m{age}")

    assert apply_retention(now=NOW).deleted_series == 1
    assert LLMUsageSeries.objects.get().model == "m1"


def test_batches_are_small_and_together_everything(django_assert_max_num_queries: Any) -> None:
    make_rows(*[400] * 5, 1)

    # The policy, the layout; for each of three batches select, collect, savepoint, delete, release; an empty select for each table.
    with django_assert_max_num_queries(21):
        result = apply_retention(batch_size=2, now=NOW)

    assert (result.deleted_usage, left()) == (5, [5])


def test_when_the_time_is_up_the_rest_waits_for_the_next_run() -> None:
    make_rows(*[400] * 5)
    moments = iter([0.0, 0.4, 1.0])

    result = apply_retention(batch_size=2, budget_s=1.0, now=NOW, monotonic_s=lambda: next(moments))

    assert (result.deleted_usage, result.is_complete, len(left())) == (4, False, 1)
    assert apply_retention(batch_size=2, now=NOW).deleted_usage == 1


def test_command_deletes_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    make_usage(created_at=datetime.now(UTC) - timedelta(days=11))

    call_command("metering_cleanup", "--retention-days", "10", "--json")

    said = json.loads(capsys.readouterr().out)
    assert (said["deleted_usage"], said["complete"], said["retention_days"]) == (1, True, 10)
    assert left() == []


@pytest.mark.parametrize("is_summed_up", [False, True], ids=["no-sums", "sums"])
@pytest.mark.parametrize("days", [1, 10, 400])
def test_preview_is_what_is_deleted_then(days: int, is_summed_up: bool) -> None:
    # 1.2, 10.2 and 400.2 are past the limit on a day that is not over: rows that are summed up go by whole days.
    make_rows(0.5, 1.2, 1.6, 2.0, 10.2, 11, 399, 400.2, 401)

    if is_summed_up:
        refresh(connection.alias, now=NOW)

    foreseen = preview_retention(days, now=NOW)

    assert len(left()) == 9
    done = apply_retention(days, now=NOW)
    assert (foreseen.deleted_usage, foreseen.deleted_series, foreseen.cutoff) == (
        done.deleted_usage,
        done.deleted_series,
        done.cutoff,
    )


def test_command_with_dry_run_deletes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    make_usage(created_at=datetime.now(UTC) - timedelta(days=12))

    call_command("metering_cleanup", "--retention-days", "10", "--dry-run", "--json")

    said = json.loads(capsys.readouterr().out)
    assert (said["dry_run"], said["deleted_usage"]) == (True, 1)
    assert len(left()) == 1


def test_command_without_time_ends_with_1() -> None:
    make_usage(created_at=datetime.now(UTC) - timedelta(days=11))

    with pytest.raises(CommandError) as raised:
        call_command("metering_cleanup", "--retention-days", "10", "--timeout", "0")

    assert raised.value.returncode == 1
