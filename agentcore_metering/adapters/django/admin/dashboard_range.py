"""Which days the dashboard shows, in whose time zone: the form's parameters as one query of `stats`. What is summed up is left to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.stats import StatsQuery, parse_stats_query
from agentcore_metering.adapters.django.stats.buckets import Granularity
from agentcore_metering.adapters.django.stats.params import parse_zone
from agentcore_metering.core.errors import InvalidField

__all__ = ["CUSTOM", "DEFAULT_RANGE", "RANGES", "Choice", "default_zone_name", "parse_choice"]

CUSTOM = "custom"
DEFAULT_RANGE = "7d"
MAX_DAYS = 3_660
"""Ten years of months."""

_RECENT: dict[str, tuple[Any, Callable[[date], date]]] = {
    "today": (gettext_lazy("Today"), lambda today: today),
    "7d": (gettext_lazy("7 days"), lambda today: today - timedelta(days=6)),
    "30d": (gettext_lazy("30 days"), lambda today: today - timedelta(days=29)),
    "month": (gettext_lazy("This month"), lambda today: today.replace(day=1)),
}
"""Each with its first day; the last one is today."""

RANGES: dict[str, Any] = {
    **{key: label for key, (label, _first) in _RECENT.items()},
    CUSTOM: gettext_lazy("From … to …"),
}

_BUCKETS = ((2, Granularity.DAY), (100, Granularity.MONTH), (MAX_DAYS, Granularity.YEAR))
"""Up to how many days a chart has hours, days, months."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the form says."""

    key: str
    """One of `RANGES`."""
    first_day: date
    last_day: date
    """Inclusive."""
    zone_name: str
    query: StatsQuery


def default_zone_name() -> str:
    """The active time zone, UTC where it has no IANA name."""
    # A host may activate a fixed offset.
    return str(getattr(timezone.get_current_timezone(), "key", "UTC"))


def parse_choice(params: Mapping[str, str], now: datetime) -> Choice:
    """The days that `range`, `from` and `to` name, in the time zone `tz`; an empty parameter counts as absent.

    Raises:
        InvalidField: one of them is not what it should be. Its text is in the active language.
    """
    zone_name = params.get("tz", "").strip() or default_zone_name()
    key = params.get("range", "").strip() or DEFAULT_RANGE
    try:
        zone = parse_zone({"tz": zone_name})
    except InvalidField:
        text = _("“%(text)s” is no time zone; choose one such as Asia/Shanghai.") % {"text": zone_name[:64]}
        raise InvalidField("tz", text) from None
    if key not in RANGES:
        raise InvalidField("range", _("“%(text)s” is no range of the list.") % {"text": key[:64]})
    today = now.astimezone(zone).date()
    first, last = _typed_days(params) if key == CUSTOM else (_RECENT[key][1](today), today)
    return Choice(key, first, last, zone_name, _query(first, last, zone_name))


def _typed_days(params: Mapping[str, str]) -> tuple[date, date]:
    first, last = (_day(params, name) for name in ("from", "to"))
    if last < first:
        raise InvalidField("to", _("The last day is earlier than the first."))
    if (last - first).days >= MAX_DAYS:
        raise InvalidField("to", _("At most %(days)s days can be shown.") % {"days": MAX_DAYS})
    return first, last


def _day(params: Mapping[str, str], name: str) -> date:
    text = params.get(name, "").strip()
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise InvalidField(name, _("“%(text)s” is no day such as 2026-02-21.") % {"text": text[:64]})
    return day


def _query(first: date, last: date, zone_name: str) -> StatsQuery:
    """As the API would read it."""
    days = (last - first).days + 1
    granularity = next(granularity for most, granularity in _BUCKETS if days <= most)
    params = {
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
        "tz": zone_name,
        "granularity": granularity,
    }
    try:
        return parse_stats_query(params)
    except InvalidField:
        raise InvalidField("from", _("These days are outside of the calendar.")) from None
