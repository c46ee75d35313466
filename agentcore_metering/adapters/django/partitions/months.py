"""Pure arithmetic of the bounds: a month of UTC as the stretch of row ids that begin in it, and the names of its table.

A row's id is a UUID of version 7, which begins with the milliseconds at which its attempt began. So the primary key is the key of the
partitions too, and a row is written once whatever else it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from agentcore_metering.adapters.django.models import LLMUsage

__all__ = [
    "TABLE",
    "first_id",
    "first_table",
    "following_month",
    "month_of",
    "month_table",
    "months_from",
    "start_of_months",
]

TABLE = LLMUsage._meta.db_table

_LEAD = timedelta(days=7)


def month_of(moment: datetime) -> datetime:
    """The first moment of the UTC month that `moment` lies in."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def following_month(month: datetime) -> datetime:
    """The first moment of the month after `month`."""
    years, number = divmod(month.month, 12)
    return month.replace(year=month.year + years, month=number + 1)


def months_from(month: datetime, count: int) -> Iterator[datetime]:
    """`count` months, of which `month` is the first."""
    for _ in range(count):
        yield month
        month = following_month(month)


def start_of_months(now: datetime) -> datetime:
    """The first month with a partition of its own where the table is divided now: a week ahead at least, so that its rows are all to come."""
    return following_month(month_of(now + _LEAD))


def first_id(moment: datetime) -> UUID:
    """The lowest id of an attempt that begins at `moment` or later."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80)


def moment_of(row_id: UUID) -> datetime:
    """The moment that the ids from `row_id` on begin at."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=row_id.int >> 80)


def month_table(month: datetime) -> str:
    """The name of a month's table."""
    return f"{TABLE}_{month:%Y_%m}"


def first_table(month: datetime) -> str:
    """The name of the table that holds what began before `month`."""
    return f"{TABLE}_before_{month:%Y_%m}"
