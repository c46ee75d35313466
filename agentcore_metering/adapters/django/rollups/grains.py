"""Pure arithmetic of UTC hours, days, fives of days and months: where a bucket begins and where the next one does."""

from __future__ import annotations

from datetime import datetime, timedelta

from agentcore_metering.adapters.django.models.rollup import Grain

__all__ = ["ceil", "floor", "following"]

_LAST_FIVE = 26


def floor(grain: Grain, moment: datetime) -> datetime:
    """The first moment of the bucket that a UTC `moment` lies in."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if grain is Grain.HOUR:
        return hour
    day = hour.replace(hour=0)
    if grain is Grain.DAY:
        return day
    return day.replace(day=1 if grain is Grain.MONTH else min(_LAST_FIVE, day.day - (day.day - 1) % 5))


def following(grain: Grain, bucket: datetime) -> datetime:
    """The first moment of the bucket after `bucket`."""
    if grain is Grain.HOUR:
        return bucket + timedelta(hours=1)
    if grain is Grain.DAY:
        return bucket + timedelta(days=1)
    if grain is Grain.FIVE_DAYS and bucket.day < _LAST_FIVE:
        return bucket + timedelta(days=5)
    bucket = bucket.replace(day=1)
    years, month = divmod(bucket.month, 12)
    return bucket.replace(year=bucket.year + years, month=month + 1)


def ceil(grain: Grain, moment: datetime) -> datetime:
    """The first moment of the first bucket that begins no earlier than `moment`."""
    bucket = floor(grain, moment)
    return bucket if bucket == moment else following(grain, bucket)
