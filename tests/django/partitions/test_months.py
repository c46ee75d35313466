from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from agentcore_metering.adapters.django.partitions.layout import Partition
from agentcore_metering.adapters.django.partitions.months import (
    first_id,
    following_month,
    moment_of,
    month_of,
    start_of_months,
)
from agentcore_metering.adapters.django.partitions.upkeep import missing_months
from agentcore_metering.core.ids import uuid7


def month(year: int, number: int) -> datetime:
    return datetime(year, number, 1, tzinfo=UTC)


def test_ids_of_a_moment_lie_between_those_of_its_month() -> None:
    now = datetime.now(UTC)

    assert first_id(month_of(now)) < uuid7() < first_id(following_month(month_of(now)))


def test_first_id_is_that_of_the_very_millisecond() -> None:
    bound = month(2026, 12)
    last = UUID(int=first_id(bound - timedelta(milliseconds=1)).int | (1 << 80) - 1)

    assert last < first_id(bound)
    assert moment_of(first_id(bound)) == bound


def test_month_is_utcs() -> None:
    assert month_of(datetime(2026, 12, 1, 1, tzinfo=timezone(timedelta(hours=8)))) == month(2026, 11)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        (datetime(2026, 11, 1, tzinfo=UTC), month(2026, 12)),
        (datetime(2026, 11, 23, 23, tzinfo=UTC), month(2026, 12)),
        (datetime(2026, 11, 24, tzinfo=UTC), month(2027, 1)),
        (datetime(2026, 12, 31, tzinfo=UTC), month(2027, 2)),
    ],
)
def test_months_begin_at_least_a_week_ahead(now: datetime, start: datetime) -> None:
    assert start_of_months(now) == start


def part(start: datetime | None, end: datetime | None) -> Partition:
    return Partition("t", first_id(start) if start else None, first_id(end) if end else None, 0, 0)


OTHER = part(None, None)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("made", "missing"),
    [
        pytest.param([], [], id="not divided"),
        pytest.param([part(None, month(2026, 12)), OTHER], [month(2026, 12), month(2027, 1)], id="only the first"),
        pytest.param(
            [part(None, month(2026, 12)), part(month(2026, 12), month(2027, 1)), OTHER],
            [month(2027, 1)],
            id="one ahead",
        ),
        pytest.param(
            [part(month(2026, 10), month(2026, 11)), part(month(2026, 12), month(2027, 1)), OTHER],
            [month(2026, 11), month(2027, 1)],
            id="a gap, and the first is dropped",
        ),
        pytest.param([OTHER], [month(2026, 11), month(2026, 12), month(2027, 1)], id="nobody looked after it for long"),
    ],
)
def test_missing_months(made: list[Partition], missing: list[datetime]) -> None:
    assert missing_months(made, NOW, ahead=2) == missing
