from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from agentcore_metering.adapters.django.stats import (
    StatsQuery,
    UnsupportedGranularity,
    parse_stats_query,
    parse_usage_query,
)
from agentcore_metering.adapters.django.stats.buckets import Granularity
from agentcore_metering.core.errors import InvalidField

DAY = {"start_date": "2026-02-21", "end_date": "2026-02-21"}


def test_stats_query_without_parameters_asks_for_everything() -> None:
    assert parse_stats_query({}) == StatsQuery()


def test_stats_query_with_empty_parameters_asks_for_everything() -> None:
    names = ("start_date", "end_date", "user_id", "granularity", "use_series")

    assert parse_stats_query(dict.fromkeys(names, " ")) == StatsQuery()


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("2026-02-21", datetime(2026, 2, 21, tzinfo=UTC)),
        ("2026-02-21T03:04:05", datetime(2026, 2, 21, 3, 4, 5, tzinfo=UTC)),
        ("2026-02-21T03:04:05.678Z", datetime(2026, 2, 21, 3, 4, 5, 678000, tzinfo=UTC)),
        ("2026-02-21T03:00:00+08:00", datetime(2026, 2, 20, 19, tzinfo=UTC)),
        ("2026-02-21T03:00:00 08:00", datetime(2026, 2, 20, 19, tzinfo=UTC)),
        ("2026-02-21 03:00", datetime(2026, 2, 21, 3, tzinfo=UTC)),
    ],
    ids=["date", "naive", "zulu", "offset", "plus sign as space", "space"],
)
def test_start_date_is_read_as_utc(text: str, start: datetime) -> None:
    assert parse_stats_query({"start_date": text}).period.start == start


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-02-21", datetime(2026, 2, 22, tzinfo=UTC)),
        ("2026-02-21T23:59:59.999999Z", datetime(2026, 2, 22, tzinfo=UTC)),
        ("2026-02-21T23:59:59Z", datetime(2026, 2, 21, 23, 59, 59, 1, tzinfo=UTC)),
    ],
)
def test_end_date_is_inclusive(text: str, end: datetime) -> None:
    assert parse_stats_query({"end_date": text}).period.end == end


def test_period_keeps_the_days_as_written() -> None:
    period = parse_stats_query(
        {"start_date": "2026-01-01T00:00:00+08:00", "end_date": "2026-12-31T23:59:59-08:00"}
    ).period

    assert (period.first_day, period.last_day) == (date(2026, 1, 1), date(2026, 12, 31))


@pytest.mark.parametrize("text", ["1", "true", "yes"])
def test_series_by_model_takes_granularity_and_both_dates(text: str) -> None:
    assert parse_stats_query({**DAY, "granularity": "day", "use_series": text}).has_series_by_model
    assert not parse_stats_query({**DAY, "use_series": text}).has_series_by_model
    assert not parse_stats_query({"granularity": "day", "use_series": text}).has_series_by_model


@pytest.mark.parametrize("text", ["", "0", "True", "YES", "on", "2"])
def test_series_by_model_with_another_text_is_not_asked_for(text: str) -> None:
    assert not parse_stats_query({**DAY, "granularity": "day", "use_series": text}).has_series_by_model


def test_granularity_is_one_of_three() -> None:
    assert parse_stats_query({"granularity": "year"}).granularity is Granularity.YEAR


@pytest.mark.parametrize("text", ["hour", "DAY", "day;", "0"])
def test_granularity_unknown_is_refused_in_the_known_words(text: str) -> None:
    with pytest.raises(UnsupportedGranularity) as caught:
        parse_stats_query({"granularity": text})

    assert str(caught.value) == "Unsupported granularity. Use one of: day, month, year."
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"start_date": "yesterday"}, "start_date"),
        ({"start_date": "2026-02-30"}, "start_date"),
        ({"start_date": "2026-02-21T25:00"}, "start_date"),
        ({"start_date": "9" * 5000}, "start_date"),
        ({"start_date": "2026-02-21\x00"}, "start_date"),
        ({"start_date": "0001-01-01T00:00:00+14:00"}, "start_date"),
        ({"end_date": "tomorrow"}, "end_date"),
        ({"end_date": "9999-12-31"}, "end_date"),
        ({"end_date": "9999-12-31T23:59:59-14:00"}, "end_date"),
        ({"start_date": "2026-02-22", "end_date": "2026-02-21"}, "end_date"),
        ({"user_id": "abc"}, "user_id"),
        ({"user_id": "1.5"}, "user_id"),
        ({"user_id": "1\x00"}, "user_id"),
        ({"user_id": str(2**63)}, "user_id"),
        ({"user_id": "9" * 5000}, "user_id"),
    ],
)
def test_parameter_that_is_impossible_is_named(params: dict[str, str], field: str) -> None:
    for parse in (parse_stats_query, parse_usage_query):
        with pytest.raises(InvalidField) as caught:
            parse(params)

        assert caught.value.field == field


@pytest.mark.parametrize("name", ["Nowhere/Land", "../etc/passwd", "/etc/passwd", "x" * 500, "Asia", "Asia/"])
def test_unknown_time_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_stats_query({"tz": name})

    assert caught.value.field == "tz"


def test_dates_without_an_offset_are_in_the_time_zone() -> None:
    query = parse_stats_query({"tz": "Asia/Kathmandu", "start_date": "2026-02-21", "end_date": "2026-02-21"})

    assert query.period.start == datetime(2026, 2, 20, 18, 15, tzinfo=UTC)
    assert query.period.end == datetime(2026, 2, 21, 18, 15, tzinfo=UTC)
