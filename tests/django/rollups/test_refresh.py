from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError

from agentcore_metering.adapters.django.models import (
    LLMUsage,
    NodeRollup,
    RollupCoverage,
    RollupMark,
    UsageRollup,
    UserRollup,
)
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups import background
from agentcore_metering.adapters.django.rollups.background import RollupKeeper
from agentcore_metering.adapters.django.rollups.refresh import preview, rebuild, refresh
from agentcore_metering.adapters.django.rollups.verify import verify
from tests.django.factories import make_usage

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 2, 21, 12, tzinfo=UTC)
NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def cells() -> list[tuple[Grain, datetime, int]]:
    rows = UsageRollup.objects.order_by("grain", "bucket").values_list("grain", "bucket", "calls")
    return [(Grain(grain), bucket, calls) for grain, bucket, calls in rows]


def test_refresh_sums_up_hour_day_five_days_and_month() -> None:
    make_usage(created_at=NOON, cost="1.000000000001")
    make_usage(created_at=NOON + timedelta(minutes=59))

    summary = refresh("default", now=NOW)

    assert cells() == [
        (Grain.HOUR, NOON, 1),
        (Grain.HOUR, NOON, 1),
        (Grain.DAY, NOON.replace(hour=0), 1),
        (Grain.DAY, NOON.replace(hour=0), 1),
        (Grain.MONTH, datetime(2026, 2, 1, tzinfo=UTC), 1),
        (Grain.MONTH, datetime(2026, 2, 1, tzinfo=UTC), 1),
        (Grain.FIVE_DAYS, NOON.replace(hour=0), 1),
        (Grain.FIVE_DAYS, NOON.replace(hour=0), 1),
    ]  # a priced cell and an unpriced one
    priced = UsageRollup.objects.get(grain=Grain.MONTH, is_priced=True)
    assert Decimal(priced.cost_micro * 10**6 + priced.cost_pico).scaleb(-12) == Decimal("1.000000000001")
    assert (summary.remaining_hours, RollupMark.objects.count()) == (0, 0)


def test_refresh_again_does_nothing() -> None:
    make_usage(created_at=NOON)
    refresh("default", now=NOW)
    before = cells()

    summary = refresh("default", now=NOW)

    assert (summary.covered_hours, summary.refreshed_hours, cells()) == (0, 0, before)


def test_late_row_replaces_what_was_summed_up() -> None:
    make_usage(created_at=NOON)
    refresh("default", now=NOW)
    make_usage(created_at=NOON)

    assert refresh("default", now=NOW).refreshed_hours == 1

    assert [calls for _, _, calls in cells()] == [2] * 4


def test_open_hour_is_left_alone_and_leaves_no_marks() -> None:
    make_usage(created_at=NOON)
    refresh("default", now=NOW)

    make_usage(created_at=NOW)
    refresh("default", now=NOW)

    assert not UsageRollup.objects.filter(bucket__gte=NOW.replace(minute=0)).exists()
    assert RollupMark.objects.count() == 0


def test_open_day_and_month_have_hours_only() -> None:
    make_usage(created_at=NOW - timedelta(hours=3))

    refresh("default", now=NOW)

    assert {grain for grain, _, _ in cells()} == {Grain.HOUR}
    assert not UserRollup.objects.exists()


def test_day_is_summed_up_when_its_last_hours_have_no_rows() -> None:
    make_usage(created_at=NOON)
    refresh("default", now=NOON + timedelta(hours=5))

    refresh("default", now=NOON + timedelta(days=1))

    assert (Grain.DAY, NOON.replace(hour=0), 1) in cells()
    assert NodeRollup.objects.filter(grain=Grain.DAY).count() == 1


def test_rows_before_everything_that_is_covered_come_to_be_covered() -> None:
    make_usage(created_at=NOON)
    refresh("default", now=NOW)
    make_usage(created_at=NOON - timedelta(days=900))

    refresh("default", now=NOW)

    assert (Grain.MONTH, datetime(2023, 9, 1, tzinfo=UTC), 1) in cells()
    assert verify("default").differences == []


def test_row_of_another_age_covers_the_time_between_at_once() -> None:
    make_usage(created_at=datetime(1971, 1, 1, tzinfo=UTC))
    make_usage(created_at=NOON)

    summary = refresh("default", now=NOW)

    assert summary.remaining_hours == 0
    assert RollupCoverage.objects.get().covered_from == datetime(1971, 1, 1, tzinfo=UTC)


def test_refresh_of_a_stretch_leaves_the_rest_marked() -> None:
    for days in range(3):
        make_usage(created_at=NOON - timedelta(days=days))
    refresh("default", now=NOW)
    LLMUsage.objects.update(total_tokens=1)

    summary = refresh("default", start=NOON - timedelta(days=1), end=NOON, now=NOW)

    assert (summary.refreshed_hours, RollupMark.objects.values("hour").distinct().count()) == (1, 2)


def test_refresh_without_time_left_begins_nothing() -> None:
    make_usage(created_at=NOON)

    summary = refresh("default", now=NOW, budget_s=0)

    assert (summary.covered_hours, summary.refreshed_hours) == (0, 0)


def test_preview_changes_nothing() -> None:
    make_usage(created_at=NOON)
    refresh("default", now=NOW)
    make_usage(created_at=NOON)

    summary = preview("default", now=NOW + timedelta(hours=2))

    assert (summary.covered_hours, summary.remaining_hours) == (2, 1)
    assert [calls for _, _, calls in cells()] == [1] * 4


@pytest.mark.parametrize("is_whole", [True, False])
def test_rebuild_mends_what_no_trigger_saw(is_whole: bool) -> None:
    make_usage(created_at=NOON)
    refresh("default", now=NOW)
    UsageRollup.objects.filter(grain=Grain.HOUR).update(calls=5)
    UserRollup.objects.filter(grain=Grain.MONTH).delete()
    damaged = {(difference.table, difference.grain) for difference in verify("default").differences}

    rebuild("default", None if is_whole else NOON.replace(day=1, hour=0), None if is_whole else NOW)
    refresh("default", now=NOW)

    assert damaged == {
        ("agentcore_metering_rollup", Grain.HOUR),
        ("agentcore_metering_rollup_user", Grain.MONTH),
    }
    assert verify("default").differences == []
    assert [calls for _, _, calls in cells()] == [1] * 4


def test_verify_leaves_out_what_is_marked() -> None:
    make_usage(created_at=NOON)
    refresh("default", now=NOW)

    make_usage(created_at=NOON)

    assert verify("default").differences == []


def test_keeper_refreshes_once_in_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    calls: list[str] = []
    monkeypatch.setattr(background, "refresh", lambda alias, budget_s: calls.append(alias))
    keep = RollupKeeper("default", lambda: now_s[0])

    keep()
    now_s[0] += 60
    keep()
    keep()
    now_s[0] += 60
    keep()

    assert calls == ["default", "default"]


def test_keeper_does_nothing_where_it_is_turned_off(monkeypatch: pytest.MonkeyPatch, settings: object) -> None:
    settings.AGENTCORE_METERING_ROLLUP_INTERVAL_S = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(background, "refresh", lambda *_args, **_kwargs: pytest.fail("refreshed"))

    RollupKeeper("default", lambda: 1e9)()


def test_keeper_tells_what_failed_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now_s = [0.0]

    def failing(alias: str, budget_s: float) -> None:
        raise DatabaseError("no space left")

    monkeypatch.setattr(background, "refresh", failing)
    keep = RollupKeeper("default", lambda: now_s[0])
    now_s[0] += 60

    keep()

    assert "no space left" in caplog.text
