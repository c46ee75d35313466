"""Query string -> frozen query: what each parameter may look like, and what a wrong one is told.

Pure, except that a user's key is read by the host's user model. Which rows a query selects is left to `totals`, the parameters of the
list of rows to `usage_query`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agentcore_metering.adapters.django.config.users import parse_user_pk
from agentcore_metering.adapters.django.stats.buckets import EVER, Granularity, Period, period_between
from agentcore_metering.core.errors import InvalidField

__all__ = [
    "StatsQuery",
    "UnsupportedGranularity",
    "parse_period",
    "parse_stats_query",
    "parse_zone",
]

TRUE_TEXTS = frozenset({"1", "true", "yes"})
NUL = "\x00"


class UnsupportedGranularity(InvalidField):
    """A granularity that is none; existing UIs show its text."""

    code = "unsupported_granularity"

    def __init__(self) -> None:
        names = ", ".join(Granularity)
        super().__init__("granularity", f"Unsupported granularity. Use one of: {names}.")


@dataclass(frozen=True, slots=True)
class StatsQuery:
    """What totals and series are asked for."""

    period: Period = EVER
    user_pk: Any = None
    """The user model's key type; None for everybody."""
    granularity: Granularity | None = None
    """None: no series."""
    has_series_by_model: bool = False
    """Whether a series of each model is wanted; takes a granularity and both dates."""
    zone: tzinfo = UTC
    """Whose hours, days and months the series has."""


def parse_stats_query(params: Mapping[str, str]) -> StatsQuery:
    """The query of `token-stats/`; an empty parameter counts as absent.

    Raises:
        InvalidField: a date, `user_id`, `granularity` or `tz` is not what it should be.
    """
    zone = parse_zone(params)
    period = parse_period(params, zone)
    granularity = _granularity(_text(params, "granularity"))
    is_closed = period.start is not None and period.end is not None
    return StatsQuery(
        period=period,
        user_pk=_user_pk(params),
        granularity=granularity,
        has_series_by_model=params.get("use_series", "") in TRUE_TEXTS and granularity is not None and is_closed,
        zone=zone,
    )


def parse_zone(params: Mapping[str, str]) -> tzinfo:
    """The time zone that `tz` names, UTC where it is absent.

    Raises:
        InvalidField: there is none of this name.
    """
    name = _text(params, "tz")
    if name is None or name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a directory, or one too long for a file
        raise InvalidField("tz", f"{name[:64]!r} is no IANA time zone such as Asia/Kathmandu.") from None


def parse_period(params: Mapping[str, str], zone: tzinfo = UTC) -> Period:
    """From `start_date` to `end_date`, both inclusive: ISO 8601 dates or times; in `zone` where no offset is given.

    Raises:
        InvalidField: one cannot be read, or the end is earlier than the start.
    """
    start = _moment(params, "start_date", zone)
    end = _moment(params, "end_date", zone)
    try:
        period = period_between(start, end)
    except OverflowError:
        raise InvalidField("start_date" if end is None else "end_date", "This date is out of range.") from None
    if period.start is not None and period.end is not None and period.start >= period.end:
        raise InvalidField("end_date", "end_date is earlier than start_date.")
    return period


def _moment(params: Mapping[str, str], name: str, zone: tzinfo) -> datetime | None:
    """The time in a parameter with its own offset; a date alone is its first, or as `end_date` its last, microsecond."""
    text = _text(params, name)
    if text is None:
        return None
    try:
        day = _date(text)
        if day is not None:
            return datetime.combine(day, time.max if name == "end_date" else time.min, zone)
        # A plus sign that was not percent-encoded comes as a space; after the T no other space can be meant.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        expected = "a date (2026-02-21) or a time (2026-02-21T03:00:00Z)"
        raise InvalidField(name, f"{text[:64]!r} is not {expected}.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _granularity(text: str | None) -> Granularity | None:
    if text is None:
        return None
    try:
        return Granularity(text)
    except ValueError:
        raise UnsupportedGranularity from None


def _user_pk(params: Mapping[str, str]) -> Any:
    text = _text(params, "user_id")
    return None if text is None else parse_user_pk(text)


def _text(params: Mapping[str, str], name: str) -> str | None:
    text = str(params.get(name) or "").strip()
    if NUL in text:
        raise InvalidField(name, "Null characters are not allowed.")
    return text or None
