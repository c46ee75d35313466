"""Sums outlive the rows that retention deletes, whatever is written, refreshed or reinstalled afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentcore_metering.adapters.django.models import LLMUsage, RollupCoverage, RollupMark
from agentcore_metering.adapters.django.retention import RetentionResult, apply_retention
from agentcore_metering.adapters.django.rollups import triggers
from agentcore_metering.adapters.django.rollups.refresh import rebuild, refresh
from agentcore_metering.adapters.django.rollups.verify import verify
from agentcore_metering.adapters.django.stats.buckets import Period
from agentcore_metering.adapters.django.stats.cube import CubeQuery, cube_rows
from agentcore_metering.adapters.django.stats.params import parse_stats_query
from agentcore_metering.adapters.django.stats.series import token_stats
from tests.django.factories import make_usage

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
CUTOFF_DAY = datetime(2026, 8, 26, tzinfo=UTC)  # 90 days before, at midnight
AGES_DAYS = (200, 150, 120, 91, 90.2, 90, 89.9, 80, 40, 1)


def dimensions() -> list[tuple[str, ...]]:
    return [(), ("model",), ("model", "error_type"), ("node_name",), ("source_type",), ("user_id",)]


def figures() -> list[Any]:
    months = tuple(datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 12))
    return [
        sorted(cube_rows(CubeQuery(names, edges=months, has_histograms=True), "default"), key=repr)
        for names in dimensions()
    ]


def make_rows(*ages_days: float) -> None:
    for number, age in enumerate(ages_days):
        at = NOW - timedelta(days=age)
        make_usage(
            model=f"m{number % 2}", cost=f"0.{number + 1:012d}", created_at=at, started_at=at - timedelta(seconds=1)
        )


def keep_90_days() -> RetentionResult:
    return apply_retention(90, now=NOW)


@pytest.fixture
def before() -> list[Any]:
    """The figures of all rows, of which the older ones are gone."""
    make_rows(*AGES_DAYS)
    refresh("default", now=NOW)
    known = figures()
    result = keep_90_days()
    assert (result.deleted_usage, result.is_complete) == (4, True)
    return known


def test_figures_are_the_same_after_rows_are_deleted(before: list[Any]) -> None:
    assert figures() == before
    assert LLMUsage.objects.filter(created_at__lt=CUTOFF_DAY).count() == 0
    assert RollupCoverage.objects.get().kept_until == CUTOFF_DAY


def test_refresh_after_deletion_leaves_the_sums(before: list[Any]) -> None:
    assert refresh("default", now=NOW).remaining_hours == 0

    assert figures() == before
    assert RollupMark.objects.count() == 0


def test_verify_after_deletion_finds_no_difference(before: list[Any]) -> None:
    summary = verify("default")

    assert (summary.differences, summary.buckets > 0) == ([], True)


@pytest.mark.parametrize("stretch", [(), (datetime(2026, 1, 1, tzinfo=UTC), NOW)], ids=["all", "stretch"])
def test_rebuild_after_deletion_leaves_the_sums(before: list[Any], stretch: Any) -> None:
    rebuild("default", *stretch)
    refresh("default", now=NOW)

    assert figures() == before
    assert verify("default").differences == []


def test_triggers_made_anew_after_deletion_leave_the_sums(before: list[Any]) -> None:
    triggers.uninstall("default")
    LLMUsage.objects.update(prompt_tokens=11)
    refresh("default", now=NOW)
    calls = [[row.totals.calls for row in rows] for rows in figures()]

    assert calls == [[row.totals.calls for row in rows] for rows in before]
    assert verify("default").differences == []


def test_row_that_comes_late_for_a_kept_day_leaves_the_sums(before: list[Any]) -> None:
    make_usage(created_at=NOW - timedelta(days=120))

    assert figures() == before
    refresh("default", now=NOW)
    assert figures() == before
    assert keep_90_days().deleted_usage == 1
    assert figures() == before


def test_change_in_the_month_of_the_boundary_adds_to_what_is_kept(before: list[Any]) -> None:
    make_usage(created_at=CUTOFF_DAY + timedelta(hours=1))
    refresh("default", now=NOW)

    august = Period(datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC))
    (row,) = cube_rows(CubeQuery(("node_name",), august), "default")
    assert row.totals.calls == 5  # 91 days; 90.2, 90 and 89.9 days; the new one
    assert verify("default").differences == []


def test_boundary_moves_on_with_later_runs(before: list[Any]) -> None:
    assert apply_retention(60, now=NOW).deleted_usage == 4

    assert figures() == before
    assert RollupCoverage.objects.get().kept_until == CUTOFF_DAY + timedelta(days=30)


def test_marked_hours_are_summed_up_before_their_rows_go() -> None:
    make_rows(*AGES_DAYS)
    refresh("default", now=NOW)
    make_usage(created_at=NOW - timedelta(days=150))
    known = figures()

    assert keep_90_days().deleted_usage == 5

    assert figures() == known


def test_rows_that_cannot_be_summed_up_in_time_stay() -> None:
    make_rows(*AGES_DAYS)
    refresh("default", now=NOW)
    make_usage(created_at=NOW - timedelta(days=150))
    known = figures()

    result = apply_retention(90, now=NOW, budget_s=0)

    assert (result.deleted_usage, result.is_complete) == (1, False)  # the one of 200 days
    assert figures() == known


def test_open_series_has_the_kept_months(before: list[Any]) -> None:
    series = token_stats(parse_stats_query({"granularity": "year"}))["series"]["items"]

    assert [item["total_calls"] for item in series] == [1, 1, 1, 4, 1, 1, 1]


def test_figures_are_kept_when_all_rows_are_gone(before: list[Any]) -> None:
    LLMUsage.objects.filter(created_at__gte=CUTOFF_DAY).delete()
    triggers.install("default")
    refresh("default", now=NOW)

    (row,) = cube_rows(CubeQuery(), "default")
    assert row.totals.calls == 4
