"""Whether a price map's off-peak prices hold at a moment: hours in UTC, on days of the week."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["off_peak_prices"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def off_peak_prices(entry: Mapping[str, Any], at: datetime) -> Mapping[str, Any]:
    """The prices that replace the entry's own at the time `at`, by the map's keys; empty outside the off-peak hours.

    They replace prices past a threshold too. A window includes its start and not its end, and may go past midnight; one whose start
    is its end is the whole day. An hour that cannot be read is passed over.
    """
    block = entry.get("off_peak_pricing")
    if not isinstance(block, Mapping):
        return {}
    now = at.astimezone(UTC)
    rules = [{"hours_utc": block.get("hours_utc")}, *_items(block.get("windows"))]
    zone = _zone(block.get("weekday_timezone"))
    is_off_peak = any(_has_day(rule, now.astimezone(zone)) and _has_hour(rule, now.time()) for rule in rules)
    return block if is_off_peak else {}


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, (list, tuple)) else []


def _zone(name: Any) -> tzinfo:
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else UTC
    except (ValueError, ZoneInfoNotFoundError):
        return UTC


def _has_day(rule: Mapping[str, Any], now: datetime) -> bool:
    days = rule.get("weekdays")
    if days is None:
        return True
    return any(_weekday(day) == now.isoweekday() for day in days) if isinstance(days, (list, tuple)) else False


def _weekday(day: Any) -> int | None:
    """1 for Monday, from a number or a name of at least three letters."""
    if isinstance(day, str):
        return _DAYS.index(day[:3].lower()) + 1 if day[:3].lower() in _DAYS else None
    return day if isinstance(day, int) else None


def _has_hour(rule: Mapping[str, Any], now: time) -> bool:
    hours = rule.get("hours_utc")
    windows: Iterable[Any] = (hours,) if isinstance(hours, str) else hours if isinstance(hours, (list, tuple)) else ()
    return any(_is_within(window, now) for window in windows if isinstance(window, str))


def _is_within(window: str, now: time) -> bool:
    start_text, _, end_text = window.partition("-")
    try:
        start, end = (datetime.strptime(text.strip(), "%H:%M").time() for text in (start_text, end_text))  # noqa: DTZ007
    except ValueError:
        return False
    if start < end:
        return start <= now < end
    return now >= start or now < end
