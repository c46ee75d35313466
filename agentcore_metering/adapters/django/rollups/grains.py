"""Pure arithmetic of UTC hours, days and months: where a bucket begins and where the next one does."""

from __future__ import annotations

from datetime import datetime, timedelta

from agentcore_metering.adapters.django.models.rollup import Grain

__all__ = ["ceil", "floor", "following"]


def floor(grain: Grain, moment: datetime) -> datetime:
    """The first moment of the bucket that a UTC `moment` lies in."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if grain is Grain.HOUR:
        return hour
    day = hour.replace(hour=0)
    return day if grain is Grain.DAY else day.replace(day=1)


def following(grain: Grain, bucket: datetime) -> datetime:
    """The first moment of the bucket after `bucket`."""
    if grain is Grain.HOUR:
        return bucket + timedelta(hours=1)
    if grain is Grain.DAY:
        return bucket + timedelta(days=1)
    years, month = divmod(bucket.month, 12)
    return bucket.replace(year=bucket.year + years, month=month + 1)


def ceil(grain: Grain, moment: datetime) -> datetime:
    """The first moment of the first bucket that begins no earlier than `moment`."""
    bucket = floor(grain, moment)
    return bucket if bucket == moment else following(grain, bucket)
