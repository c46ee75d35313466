"""Tables for the months to come, and none for those whose rows are to go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError

from agentcore_metering.adapters.django.models import LLMUsage, RollupCoverage, RollupMark
from agentcore_metering.adapters.django.partitions import background, ddl, division, upkeep
from agentcore_metering.adapters.django.partitions.background import PartitionKeeper
from agentcore_metering.adapters.django.partitions.division import divide
from agentcore_metering.adapters.django.partitions.layout import partitions
from agentcore_metering.adapters.django.partitions.months import first_id
from agentcore_metering.adapters.django.partitions.upkeep import drop_old, keep_up
from agentcore_metering.adapters.django.retention import RetentionResult, apply_retention, preview_retention
from agentcore_metering.adapters.django.rollups.refresh import refresh
from agentcore_metering.adapters.django.rollups.statements import rows_of
from agentcore_metering.adapters.django.rollups.verify import verify
from tests.django.partitions.rows import add, figures, table_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("postgresql")]

DIVIDED = datetime(2026, 1, 10, tzinfo=UTC)
NOW = datetime(2026, 7, 20, 12, tzinfo=UTC)


def names() -> list[str]:
    return [one.name.removeprefix("llm_tracker_usage_") for one in partitions("default")]


def retained(days: int) -> RetentionResult:
    """What retention did, which is what its dry run said before."""
    refresh("default", now=NOW)
    told = preview_retention(days, now=NOW)
    result = apply_retention(days, now=NOW)
    assert (told.dropped_tables, told.deleted_usage) == (result.dropped_tables, result.deleted_usage)
    return result


@pytest.fixture
def half_a_year() -> list[Any]:
    """Figures of rows of each month since the table was divided."""
    divide("default", now=DIVIDED, months=9)
    for month in range(1, 8):
        add(datetime(2026, month, 2, tzinfo=UTC), model=f"m{month}")
        add(datetime(2026, month, 15, tzinfo=UTC))
    refresh("default", now=NOW)
    return figures()


def test_months_to_come_are_made_once() -> None:
    divide("default", now=DIVIDED, months=1)

    assert keep_up("default", DIVIDED + timedelta(days=40)) == [
        f"llm_tracker_usage_2026_{month}" for month in ("03", "04", "05")
    ]
    assert keep_up("default", DIVIDED + timedelta(days=40)) == []
    assert names() == ["before_2026_02", "2026_02", "2026_03", "2026_04", "2026_05", "other"]


def test_new_month_has_indexes_and_triggers() -> None:
    divide("default", now=DIVIDED, months=1)
    keep_up("default", DIVIDED + timedelta(days=40))

    counts = rows_of(
        "default",
        "SELECT c.relname, (SELECT COUNT(*) FROM pg_index WHERE indrelid = c.oid), "
        "(SELECT COUNT(*) FROM pg_trigger WHERE tgrelid = c.oid) FROM pg_class AS c "
        "WHERE c.relname IN ('llm_tracker_usage_2026_02', 'llm_tracker_usage_2026_05') ORDER BY 1",
    )
    assert counts == [("llm_tracker_usage_2026_02", 6, 4), ("llm_tracker_usage_2026_05", 6, 4)]


def test_rows_of_a_month_that_nobody_made_are_moved_to_it() -> None:
    divide("default", now=DIVIDED, months=1)
    row = add(datetime(2026, 7, 2, tzinfo=UTC))
    refresh("default", now=NOW)
    before = figures()
    assert table_of(row) == "llm_tracker_usage_other"

    assert "llm_tracker_usage_2026_07" in keep_up("default", NOW)

    assert table_of(row) == "llm_tracker_usage_2026_07"
    assert figures() == before
    assert RollupMark.objects.count() == 0
    assert verify("default").differences == []


def test_month_of_which_many_rows_lie_elsewhere_is_left_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "MAX_MOVED", 0)
    divide("default", now=DIVIDED, months=1)
    row = add(datetime(2026, 7, 2, tzinfo=UTC))

    assert keep_up("default", NOW) == [f"llm_tracker_usage_2026_{month}" for month in ("08", "09", "10")]
    assert table_of(row) == "llm_tracker_usage_other"


def test_undivided_table_needs_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        assert keep_up("default", NOW) == []
    assert drop_old("default", NOW) == []


def test_constraint_of_a_division_that_was_killed_is_taken_away() -> None:
    division._prove("default", first_id(DIVIDED))
    assert division.has_proof("default")

    keep_up("default", NOW)

    assert not division.has_proof("default")
    add(NOW)


def test_constraint_of_a_division_at_work_stays(division_at_work: None) -> None:
    division._prove("default", first_id(DIVIDED))

    with pytest.raises(ddl.Busy):
        keep_up("default", NOW)

    assert division.has_proof("default")


def test_retention_drops_months_whole_and_figures_stay(half_a_year: list[Any]) -> None:
    result = retained(90)  # from 21 April on

    assert result.dropped_tables == tuple(
        f"llm_tracker_usage_{name}" for name in ("before_2026_02", "2026_02", "2026_03")
    )
    assert (result.deleted_usage, result.is_complete) == (0, True)
    assert names()[0] == "2026_04"
    assert LLMUsage.objects.count() == 8
    assert figures() == half_a_year
    assert RollupCoverage.objects.get().kept_until == datetime(2026, 4, 21, tzinfo=UTC)
    refresh("default", now=NOW)
    assert figures() == half_a_year
    assert verify("default").differences == []


def test_retention_deletes_by_batches_what_lies_in_no_month(half_a_year: list[Any]) -> None:
    late = add(datetime(2026, 1, 20, tzinfo=UTC))
    refresh("default", now=NOW)
    before = figures()
    monthless = add(datetime(2026, 1, 5, tzinfo=UTC), id="f47ac10b-58cc-4372-a567-0e02b2c3d479")

    retained(175)  # from 26 January on

    assert LLMUsage.objects.filter(pk__in=[late.pk, monthless.pk]).count() == 0
    assert sum(row.totals.calls for row in figures()[0]) == sum(row.totals.calls for row in before[0]) + 1


def test_first_table_with_young_rows_loses_its_old_ones_by_batches() -> None:
    add(datetime(2026, 3, 1, tzinfo=UTC))
    add(datetime(2026, 7, 19, tzinfo=UTC))
    divide("default", now=NOW, months=2)

    result = retained(90)

    assert (result.deleted_usage, result.dropped_tables) == (1, ())


def test_month_with_an_attempt_that_ended_later_stays(half_a_year: list[Any]) -> None:
    add(datetime(2026, 2, 28, 23, 59, tzinfo=UTC), took=timedelta(days=60))
    refresh("default", now=NOW)
    before = figures()

    result = retained(90)

    assert result.dropped_tables == ("llm_tracker_usage_before_2026_02", "llm_tracker_usage_2026_03")
    assert figures() == before


def test_late_row_of_a_dropped_month_has_a_place_and_goes_with_the_next_run(half_a_year: list[Any]) -> None:
    retained(90)

    row = add(datetime(2026, 2, 20, tzinfo=UTC))

    assert table_of(row) == "llm_tracker_usage_other"
    assert figures() == half_a_year
    assert retained(90).deleted_usage == 1
    assert figures() == half_a_year


def test_months_wait_while_the_table_is_in_use(half_a_year: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise ddl.Busy("a transaction keeps the usage table locked")

    monkeypatch.setattr(upkeep, "in_short_lock", busy)

    result = apply_retention(90, now=NOW)

    assert (result.dropped_tables, result.is_complete) == ((), False)


def test_keeper_looks_at_the_start_and_every_few_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def look(alias: str, _now: datetime, *, attempts: int) -> list[str]:
        looked.append(alias)
        return []

    monkeypatch.setattr(background, "keep_up", look)
    now_s = [0.0]
    keep = PartitionKeeper("default", lambda: now_s[0])

    for now_s[0] in (0.0, 60.0, background.INTERVAL_S, background.INTERVAL_S + 60):
        keep()

    assert looked == ["default"] * 2


@pytest.mark.parametrize("failure", [DatabaseError("no right to create"), ddl.Busy("another process")])
def test_keeper_that_fails_does_not_raise(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(background, "keep_up", fail)

    PartitionKeeper("default")()


def test_keeper_that_found_the_table_in_use_looks_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def busy(*_: Any, attempts: int) -> None:
        looked.append(attempts)
        raise ddl.Busy("another process")

    monkeypatch.setattr(background, "keep_up", busy)
    now_s = [0.0]
    keep = PartitionKeeper("default", lambda: now_s[0])

    for now_s[0] in (0.0, 60.0, background.BUSY_INTERVAL_S):
        keep()

    assert looked == [1, 1]
