from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcore_metering.adapters.django.stats.buckets import (
    EVER,
    MAX_BUCKETS,
    Calendar,
    Granularity,
    Period,
    period_buckets,
)
from agentcore_metering.adapters.django.stats.params import parse_period, parse_stats_query
from agentcore_metering.core.errors import InvalidField

DAY, MONTH, YEAR = Granularity.DAY, Granularity.MONTH, Granularity.YEAR


def period(start: str, end: str) -> Period:
    return parse_period({"start_date": start, "end_date": end})


def names(granularity: Granularity, start: str, end: str) -> list[str]:
    calendar = Calendar(granularity)
    buckets = period_buckets(calendar, period(start, end))
    assert buckets is not None
    return [calendar.name(bucket) for bucket in buckets]


@pytest.mark.parametrize(
    ("granularity", "start", "end", "count", "first", "last"),
    [
        (DAY, "2026-02-21", "2026-02-21", 24, "2026-02-21T00:00:00+00:00", "2026-02-21T23:00:00+00:00"),
        (DAY, "2026-02-21T00:00:00+08:00", "2026-02-21T23:59:59+08:00", 24, "2026-02-20T16:00:00+00:00", "2026-02-21T15:00:00+00:00"),
        (DAY, "2026-02-21T00:30:00Z", "2026-02-21T01:00:00Z", 2, "2026-02-21T00:00:00+00:00", "2026-02-21T01:00:00+00:00"),
        (MONTH, "2026-02-01", "2026-02-28", 28, "2026-02-01", "2026-02-28"),
        (MONTH, "2028-02-01", "2028-02-29", 29, "2028-02-01", "2028-02-29"),
        (MONTH, "2026-02-01T00:00:00+08:00", "2026-02-28T23:59:59+08:00", 28, "2026-02-01", "2026-02-28"),
        (YEAR, "2026-01-01", "2026-12-31", 12, "2026-01-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00"),
        (YEAR, "2026-01-01", "2026-12-31T23:59:59-08:00", 12, "2026-01-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00"),
        (YEAR, "2026-01-01T00:00:00+08:00", "2026-12-31T23:59:59+08:00", 12, "2026-01-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00"),
        (YEAR, "2025-11-05", "2026-02-01", 4, "2025-11-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"),
        (MONTH, "2026-02-02T00:00:00+14:00", "2026-02-01T12:00:00Z", 1, "2026-02-01", "2026-02-01"),
    ],
    ids=[
        "day", "day in Shanghai", "part of a day", "month", "leap month", "month in Shanghai", "year", "year that ends in Los Angeles",
        "year in Shanghai", "part of two years", "days written backwards",
    ],
)  # fmt: skip
def test_buckets_cover_the_calendar_days_as_written(
    granularity: Granularity, start: str, end: str, count: int, first: str, last: str
) -> None:
    found = names(granularity, start, end)

    assert (len(found), found[0], found[-1]) == (count, first, last)


@pytest.mark.parametrize(
    "open_period", [EVER, Period(start=datetime(2026, 1, 1, tzinfo=UTC)), Period(end=datetime(2026, 1, 1, tzinfo=UTC))]
)
def test_buckets_of_an_open_period_are_unknown(open_period: Period) -> None:
    assert period_buckets(Calendar(DAY), open_period) is None


def test_buckets_up_to_the_limit_are_given() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    assert len(period_buckets(Calendar(DAY), Period(start, start + timedelta(hours=MAX_BUCKETS))) or ()) == MAX_BUCKETS


@pytest.mark.parametrize(
    ("granularity", "end"), [(DAY, "2026-12-31"), (MONTH, "2026-12-31"), (YEAR, "2998-12-31"), (DAY, "9999-12-30")]
)
def test_buckets_past_the_limit_are_refused_with_granularity_and_range(granularity: Granularity, end: str) -> None:
    with pytest.raises(
        InvalidField, match=r"granularity=.* has \d+ buckets, more than 2000; .*start_date, end_date"
    ) as caught:
        period_buckets(Calendar(granularity), period("2000-01-01", end))

    assert caught.value.field == "granularity"


@given(
    granularity=st.sampled_from(Granularity),
    days=st.integers(0, 10_000),
    minutes=st.integers(0, 1439),
    hours=st.integers(1, 1500),
)
def test_buckets_are_consecutive_and_hold_both_ends(
    granularity: Granularity, days: int, minutes: int, hours: int
) -> None:
    start = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=days, minutes=minutes)
    end = start + timedelta(hours=hours)
    floor = Calendar(granularity).floor
    buckets = period_buckets(
        Calendar(granularity), Period(start, end, start.date(), (end - timedelta(microseconds=1)).date())
    )

    assert buckets is not None
    assert buckets[0] == floor(start)
    assert buckets[-1] == floor(end - timedelta(microseconds=1))
    # The moment before a bucket lies in the one before it.
    assert [floor(bucket - timedelta(microseconds=1)) for bucket in buckets[1:]] == list(buckets[:-1])


ZONES = ["UTC", "Asia/Kathmandu", "America/St_Johns", "Asia/Shanghai", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca"]  # fmt: skip


@given(
    granularity=st.sampled_from(Granularity),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    start=st.timedeltas(timedelta(0), timedelta(days=11_000)).map(
        lambda since: datetime(2005, 1, 1, tzinfo=UTC) + since
    ),
    hours=st.integers(1, 1500),
)
def test_buckets_of_a_zone_part_the_time_without_gap(
    granularity: Granularity, zone: ZoneInfo, start: datetime, hours: int
) -> None:
    calendar = Calendar(granularity, zone)
    end = start + timedelta(hours=hours)
    buckets = period_buckets(calendar, Period(start, end))

    assert buckets is not None
    assert buckets[0] <= start < calendar.following(buckets[0])
    assert buckets[-1] < end <= calendar.following(buckets[-1])
    assert [calendar.following(bucket) for bucket in buckets[:-1]] == list(buckets[1:])
    assert all(one < other for one, other in pairwise(buckets))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/St_Johns", date(2026, 3, 8), 23),
        ("America/St_Johns", date(2026, 11, 1), 25),
        ("Asia/Kathmandu", date(2026, 3, 8), 24),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        # Their clocks are put on and back by half an hour, so an hour is left at half, and another shown for half an hour more.
        ("Australia/Lord_Howe", date(2026, 10, 4), 24),
        ("Australia/Lord_Howe", date(2026, 4, 5), 25),
    ],
)
def test_day_on_which_the_clocks_change_has_as_many_hours_as_it_lasts(zone: str, day: date, hours: int) -> None:
    params = {"start_date": day.isoformat(), "end_date": day.isoformat(), "granularity": "day", "tz": zone}
    query = parse_stats_query(params)

    buckets = period_buckets(Calendar(DAY, query.zone), query.period)

    assert len(buckets or ()) == hours


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        pytest.param("Australia/Lord_Howe", "2026-04-04T12:00Z", id="half an hour back"),
        pytest.param("Australia/Lord_Howe", "2026-10-03T12:00Z", id="half an hour on"),
        pytest.param("America/St_Johns", "2026-03-08T03:00Z", id="an hour on at half past"),
        pytest.param("America/St_Johns", "2026-11-01T02:00Z", id="an hour back at half past"),
        pytest.param("Asia/Kolkata", "2026-03-08T03:00Z", id="no change at half past"),
        pytest.param("Asia/Kathmandu", "1985-12-31T16:00Z", id="a quarter on for good"),
        pytest.param("America/Caracas", "2016-05-01T04:00Z", id="half an hour on for good"),
        pytest.param("Asia/Pyongyang", "2018-05-04T12:00Z", id="half an hour on at midnight"),
        pytest.param("Pacific/Apia", "2011-12-30T07:00Z", id="a day is skipped"),
        pytest.param("Africa/Monrovia", "1972-01-06T22:00Z", id="a bound that is no whole minute"),
    ],
)
def test_hour_of_a_zone_is_one_hour_of_its_clocks_wherever_it_is_looked_at_from(zone: str, start: str) -> None:
    calendar = Calendar(DAY, ZoneInfo(zone))
    begin = datetime.fromisoformat(start)
    minutes = [begin + timedelta(minutes=number) for number in range(8 * 60)]
    buckets = calendar.between(calendar.floor(begin), minutes[-1])

    shown: dict[object, set[datetime]] = {}
    for minute in minutes:
        local = minute.astimezone(calendar.zone)
        bucket = max(bucket for bucket in buckets if bucket <= minute)
        assert calendar.floor(minute) == bucket
        shown.setdefault((local.date(), local.hour, local.utcoffset()), set()).add(bucket)
    assert all(len(found) == 1 for found in shown.values())
    assert len(shown) == len(buckets)


@pytest.mark.parametrize(
    ("zone", "granularity", "expected"),
    [
        ("Asia/Kathmandu", DAY, "2026-02-21T00:00:00+05:45"),
        ("Asia/Kathmandu", MONTH, "2026-02-21"),
        ("America/St_Johns", YEAR, "2026-02-01T00:00:00-03:30"),
    ],
)
def test_bucket_of_a_zone_is_named_by_its_own_clock(zone: str, granularity: Granularity, expected: str) -> None:
    calendar = Calendar(granularity, ZoneInfo(zone))
    query = parse_stats_query({"start_date": "2026-02-21", "end_date": "2026-02-21", "tz": zone})

    [first, *_] = period_buckets(calendar, query.period) or ()

    assert calendar.name(first) == expected
