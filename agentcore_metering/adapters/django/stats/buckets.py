"""The calendar of a series: which buckets a period has in a time zone, where each begins, and how it is named.

Pure. What is summed up in a bucket is left to `cube`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from agentcore_metering.core.errors import InvalidField

__all__ = [
    "EVER",
    "MAX_BUCKETS",
    "Calendar",
    "Granularity",
    "Period",
    "period_between",
    "period_buckets",
]

MAX_BUCKETS = 2_000
"""Buckets of one series: 83 days of hours, five years of days."""

RESOLUTION = timedelta(microseconds=1)
_SECOND = timedelta(seconds=1)
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


@dataclass(frozen=True, slots=True)
class Calendar:
    """The buckets of a granularity in a time zone. Moments go in and come out in UTC.

    An hour is one that the zone's clocks show: one that they show twice is two, one that they leave at half is shorter.
    """

    granularity: Granularity
    zone: tzinfo = UTC

    def floor(self, moment: datetime) -> datetime:
        """The first moment of the bucket that `moment` lies in."""
        local = moment.astimezone(self.zone)
        if self.granularity is Granularity.DAY:
            start = moment.astimezone(UTC) - _past_hour(local)
            return self._change_between(start, moment.astimezone(UTC)) or start
        return self._midnight(local.date())

    def following(self, bucket: datetime) -> datetime:
        """The first moment of the bucket after `bucket`."""
        local = bucket.astimezone(self.zone)
        if self.granularity is Granularity.DAY:
            later = bucket + _HOUR - _past_hour(local)
            return self._change_between(bucket, later - RESOLUTION) or later
        if self.granularity is Granularity.MONTH:
            return self._midnight(local.date() + _DAY)
        years, month = divmod(local.month, 12)
        return self._midnight(local.date().replace(year=local.year + years, month=month + 1))

    def name(self, bucket: datetime) -> str:
        """How JSON names a bucket: its day, or else its first moment."""
        local = bucket.astimezone(self.zone)
        return local.date().isoformat() if self.granularity is Granularity.MONTH else local.isoformat()

    def between(self, first: datetime, last: datetime) -> tuple[datetime, ...]:
        """The buckets from `first` to the one that begins no later than `last`.

        Raises:
            InvalidField: there would be more than `MAX_BUCKETS`.
        """
        self._require_few(self._count(first, last))
        return tuple(self._walk(first, last))

    def _walk(self, first: datetime, last: datetime) -> Iterator[datetime]:
        while first <= last:
            yield first
            try:
                first = self.following(first)
            except (OverflowError, ValueError):  # the year 10000
                return

    def _change_between(self, start: datetime, end: datetime) -> datetime | None:
        """The second from which on the clocks show what they do at `end`; None where they were not changed since `start`."""
        offset = end.astimezone(self.zone).utcoffset()
        if start.astimezone(self.zone).utcoffset() == offset:
            return None
        before, after = 0, -(-(end - start) // _SECOND)
        while after - before > 1:
            middle = (before + after) // 2
            has_changed = (start + middle * _SECOND).astimezone(self.zone).utcoffset() == offset
            before, after = (before, middle) if has_changed else (middle, after)
        return start + after * _SECOND

    def _midnight(self, day: date) -> datetime:
        day = day.replace(day=1) if self.granularity is Granularity.YEAR else day
        # A midnight that the clocks skip is the moment at which they do.
        return datetime.combine(day, time.min, self.zone).astimezone(UTC)

    def _count(self, first: datetime, last: datetime) -> int:
        if self.granularity is Granularity.YEAR:
            one, other = first.astimezone(self.zone), last.astimezone(self.zone)
            return (other.year - one.year) * 12 + other.month - one.month + 1
        if self.granularity is Granularity.DAY:
            return (last - first) // _HOUR + 1
        return (last.astimezone(self.zone).date() - first.astimezone(self.zone).date()).days + 1

    def _require_few(self, count: int) -> None:
        if count > MAX_BUCKETS:
            raise InvalidField(
                "granularity",
                f"granularity={self.granularity} over this range has {count} buckets, more than {MAX_BUCKETS}; "
                "use a coarser granularity, or a shorter range (start_date, end_date).",
            )


def period_between(start: datetime | None, end: datetime | None) -> Period:
    """The period from `start` to `end`, aware times in any zone, both inclusive; None leaves a side open.

    Raises:
        OverflowError: UTC has no such time in the years 1 to 9999.
    """
    return Period(
        start=start.astimezone(UTC) if start else None,
        end=end.astimezone(UTC) + RESOLUTION if end else None,
        first_day=start.date() if start else None,
        last_day=end.date() if end else None,
    )


def period_buckets(calendar: Calendar, period: Period) -> tuple[datetime, ...] | None:
    """The first moment of each bucket, UTC, in order; None for a period that is open.

    In UTC, days and months run from the calendar day of the start to that of the end as they were written, so a year that ends in
    Los Angeles has twelve months too.

    Raises:
        InvalidField: there would be more than `MAX_BUCKETS`, or one before the year 1.
    """
    if period.start is None or period.end is None:
        return None
    try:
        return calendar.between(*_ends(calendar, period.start, period.end - RESOLUTION, period))
    except OverflowError:
        raise InvalidField("start_date", "This date is out of range.") from None


def _ends(calendar: Calendar, start: datetime, last_moment: datetime, period: Period) -> tuple[datetime, datetime]:
    first_day, last_day = period.first_day, period.last_day
    is_written = calendar.zone is UTC and calendar.granularity is not Granularity.DAY
    # Where the two offsets differ, the days as written may even run backwards.
    if not is_written or first_day is None or last_day is None or first_day > last_day:
        return calendar.floor(start), calendar.floor(last_moment)
    return calendar.floor(_utc_midnight(first_day)), calendar.floor(_utc_midnight(last_day))


def _past_hour(local: datetime) -> timedelta:
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def _utc_midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
