"""The calendar of a series: which buckets a period has, how they are named, and the SQL that puts a row into one.

Pure bucket maths in UTC, whatever time zone is active. What is summed up in a bucket is left to `totals`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Greatest, Least, TruncDay, TruncHour, TruncMonth

from agentcore_metering.core.errors import InvalidField

__all__ = [
    "EVER",
    "MAX_BUCKETS",
    "Granularity",
    "Period",
    "bucket_name",
    "bucket_of",
    "period_between",
    "period_buckets",
    "require_few",
]

MAX_BUCKETS = 2_000
"""Buckets of one series: 83 days of hours, five years of days."""

_RESOLUTION = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class Granularity(StrEnum):
    """What a chart shows: a day by its hours, a month by its days, a year by its months."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open stretch of time; None leaves a side open."""

    start: datetime | None = None
    """Inclusive, UTC."""
    end: datetime | None = None
    """Exclusive, UTC."""
    first_day: date | None = None
    """The calendar day that the caller wrote, in his own offset."""
    last_day: date | None = None


EVER = Period()


def period_between(start: datetime | None, end: datetime | None) -> Period:
    """The period from `start` to `end`, aware times in any zone, both inclusive; None leaves a side open.

    Raises:
        OverflowError: UTC has no such time in the years 1 to 9999.
    """
    return Period(
        start=start.astimezone(UTC) if start else None,
        end=end.astimezone(UTC) + _RESOLUTION if end else None,
        first_day=start.date() if start else None,
        last_day=end.date() if end else None,
    )


def period_buckets(granularity: Granularity, period: Period) -> tuple[datetime, ...] | None:
    """The first moment of each bucket, UTC, in order; None for a period that is open.

    Days and months run from the calendar day of the start to that of the end as they were written, so a year that ends in
    Los Angeles has twelve months too.

    Raises:
        InvalidField: there would be more than `MAX_BUCKETS`.
    """
    if period.start is None or period.end is None:
        return None
    first, last = _ends(granularity, period.start, period.end - _RESOLUTION, period)
    require_few(granularity, _count(granularity, first, last))
    return tuple(_walk(granularity, first, last))


def require_few(granularity: Granularity, count: int) -> None:
    """Raise InvalidField where a series would have more than `MAX_BUCKETS` buckets."""
    if count > MAX_BUCKETS:
        raise InvalidField(
            "granularity",
            f"granularity={granularity} over this range has {count} buckets, more than {MAX_BUCKETS}; "
            "use a coarser granularity, or a shorter range (start_date, end_date).",
        )


def bucket_of(granularity: Granularity, period: Period, buckets: Sequence[datetime] | None) -> Any:
    """The SQL expression for the bucket of a row, in UTC.

    A row that is in the period but outside of its calendar days counts in the first or the last bucket: nothing of the total is lost.
    """
    moment: Any = F("created_at")
    if buckets and period.start is not None and period.start < buckets[0]:
        moment = Greatest(moment, _value(buckets[0]))
    if buckets and period.end is not None and floor(granularity, period.end - _RESOLUTION) > buckets[-1]:
        moment = Least(moment, _value(buckets[-1]))
    return _TRUNCATIONS[granularity](moment, tzinfo=UTC)


def bucket_name(granularity: Granularity, bucket: datetime) -> str:
    """How JSON names a bucket: its day, or else its first moment."""
    return bucket.date().isoformat() if granularity is Granularity.MONTH else bucket.isoformat()


def floor(granularity: Granularity, moment: datetime) -> datetime:
    """The first moment of the bucket that a UTC `moment` lies in."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if granularity is Granularity.DAY:
        return hour
    day = hour.replace(hour=0)
    return day if granularity is Granularity.MONTH else day.replace(day=1)


_TRUNCATIONS: dict[Granularity, type[TruncHour | TruncDay | TruncMonth]] = {
    Granularity.DAY: TruncHour,
    Granularity.MONTH: TruncDay,
    Granularity.YEAR: TruncMonth,
}


def _ends(
    granularity: Granularity, start: datetime, last_moment: datetime, period: Period
) -> tuple[datetime, datetime]:
    first_day, last_day = period.first_day, period.last_day
    # Where the two offsets differ, the days as written may even run backwards.
    if granularity is Granularity.DAY or first_day is None or last_day is None or first_day > last_day:
        return floor(granularity, start), floor(granularity, last_moment)
    return floor(granularity, _midnight(first_day)), floor(granularity, _midnight(last_day))


def _count(granularity: Granularity, first: datetime, last: datetime) -> int:
    if granularity is Granularity.YEAR:
        return (last.year - first.year) * 12 + last.month - first.month + 1
    return (last - first) // (_HOUR if granularity is Granularity.DAY else _DAY) + 1


def _walk(granularity: Granularity, first: datetime, last: datetime) -> Iterator[datetime]:
    for index in range(_count(granularity, first, last)):
        if granularity is Granularity.YEAR:
            years, month = divmod(first.month - 1 + index, 12)
            yield first.replace(year=first.year + years, month=month + 1)
        else:
            yield first + index * (_HOUR if granularity is Granularity.DAY else _DAY)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _value(moment: datetime) -> Value:
    return Value(moment, output_field=DateTimeField())
