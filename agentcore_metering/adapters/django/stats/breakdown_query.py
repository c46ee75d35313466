"""Query string -> what a breakdown is asked for: dimensions, filters, order, and how many rows.

Strict: a name that is not known is refused, because a misspelt filter would select every row. What is made of it is `breakdown`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any
from uuid import UUID

from agentcore_metering.adapters.django.config.users import parse_user_pk
from agentcore_metering.adapters.django.stats.buckets import EVER, Granularity, Period
from agentcore_metering.adapters.django.stats.params import parse_period, parse_zone
from agentcore_metering.core.errors import InvalidField
from agentcore_metering.core.types import Status

__all__ = [
    "DIMENSION_NAMES",
    "MAX_LIMIT",
    "ORDERS",
    "OTHER_PARAMETERS",
    "TIME_NAMES",
    "BreakdownQuery",
    "parse_breakdown_query",
]

MAX_DIMENSIONS = 3
MAX_LIMIT = 1_000
MAX_VALUES = 50
"""Values of one filter."""
MAX_VALUE_CHARS = 255
NUL = "\x00"

TIME_NAMES: Mapping[str, Granularity] = {
    "hour": Granularity.DAY,
    "day": Granularity.MONTH,
    "month": Granularity.YEAR,
}
"""The buckets of time to group by; a granularity is named after what a chart of such buckets shows."""

ORDERS = ("calls", "cost", "failed", "latency", "tokens")
OTHER_PARAMETERS = ("start_date", "end_date", "tz", "group_by", "order", "limit", "compare")


@dataclass(frozen=True, slots=True)
class BreakdownQuery:
    """What is asked for."""

    names: tuple[str, ...] = ()
    """What rows are grouped by, as the API names it; one of them may be a bucket of time."""
    period: Period = EVER
    zone: tzinfo = UTC
    filters: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """API name -> the values that count."""
    order: str | None = None
    """One of `ORDERS`; None: by time where that is grouped by, else by calls, most first."""
    is_descending: bool = True
    limit: int | None = None
    """None: every row."""
    is_compared: bool = False
    """Whether each row has the figures of the period of the same length before."""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The names that are no bucket of time."""
        return tuple(name for name in self.names if name not in TIME_NAMES)

    @property
    def granularity(self) -> Granularity | None:
        """The bucket of time among the names; None where there is none."""
        return next((TIME_NAMES[name] for name in self.names if name in TIME_NAMES), None)


def parse_breakdown_query(params: Mapping[str, Sequence[str]]) -> BreakdownQuery:
    """The query of `usage-breakdown/`, from every value of each parameter; an empty one counts as absent.

    A filter that is given more than once lets each of its values through; of any other parameter the last one counts.

    Raises:
        InvalidField: a parameter is unknown, or not what it should be.
    """
    given = {name: texts for name in params if (texts := _texts(name, params[name]))}
    last = {name: texts[-1] for name, texts in given.items()}
    zone = parse_zone(last)
    order, is_descending = _order(last.get("order", ""))
    query = BreakdownQuery(
        names=_names(last.get("group_by", "")),
        period=parse_period(last, zone),
        zone=zone,
        filters={name: _values(name, given[name]) for name in DIMENSION_NAMES if name in given},
        order=order,
        is_descending=is_descending,
        limit=_limit(last.get("limit", "")),
        is_compared=_is_compared(last.get("compare", "")),
    )
    _require_closed_period(query)
    return query


def _texts(name: str, texts: Sequence[str]) -> list[str]:
    if name not in OTHER_PARAMETERS and name not in DIMENSION_NAMES:
        known = ", ".join((*OTHER_PARAMETERS, *DIMENSION_NAMES))
        raise InvalidField("parameters", f"{name[:64]!r} is not a parameter of this endpoint; it takes {known}.")
    if any(NUL in text for text in texts):
        raise InvalidField(name, "Null characters are not allowed.")
    return [text.strip() for text in texts if text.strip()]


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    for name in names:
        if name not in DIMENSION_NAMES and name not in TIME_NAMES:
            known = ", ".join((*DIMENSION_NAMES, *TIME_NAMES))
            raise InvalidField("group_by", f"{name[:64]!r} is not one of {known}.")
    if len(set(names)) < len(names) or sum(name in TIME_NAMES for name in names) > 1:
        raise InvalidField("group_by", "Name each dimension once, and one of hour, day and month at most.")
    if len(names) > MAX_DIMENSIONS:
        raise InvalidField("group_by", f"These are {len(names)} dimensions, more than {MAX_DIMENSIONS}.")
    return names


def _values(name: str, texts: Sequence[str]) -> tuple[Any, ...]:
    if len(texts) > MAX_VALUES:
        raise InvalidField(name, f"These are {len(texts)} values, more than {MAX_VALUES}.")
    return tuple(dict.fromkeys(_PARSERS[name](name, text) for text in texts))


def _as_text(name: str, text: str) -> str:
    if len(text) > MAX_VALUE_CHARS:
        raise InvalidField(name, f"This has {len(text)} characters, more than {MAX_VALUE_CHARS}.")
    return text


def _as_uuid(name: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidField(name, f"{text[:64]!r} is not a UUID.") from None


def _as_outcome(name: str, text: str) -> str:
    outcomes = [status.value for status in Status]
    if text not in outcomes:
        raise InvalidField(name, f"{text[:64]!r} is not one of {', '.join(outcomes)}.")
    return text


_PARSERS: Mapping[str, Callable[[str, str], Any]] = {
    "model": _as_text,
    "response_model": _as_text,
    "provider": _as_text,
    "operation": _as_text,
    "user": lambda name, text: parse_user_pk(text, name),
    "node": _as_text,
    "source_type": _as_text,
    "config": _as_uuid,
    "currency": lambda name, text: _as_text(name, text).upper(),
    "outcome": _as_outcome,
    "error_type": _as_text,
}

DIMENSION_NAMES = tuple(_PARSERS)
"""What can be grouped and filtered by."""


def _order(text: str) -> tuple[str | None, bool]:
    order = text.removeprefix("-")
    if not text:
        return None, True
    if order not in ORDERS:
        raise InvalidField(
            "order", f"{text[:64]!r} is not one of {', '.join(ORDERS)}, with - before it for most first."
        )
    return order, text.startswith("-")


def _limit(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_LIMIT):
        raise InvalidField("limit", f"{text[:64]!r} is not a whole number from 1 to {MAX_LIMIT}.")
    return int(text)


def _is_compared(text: str) -> bool:
    if text and text != "previous":
        raise InvalidField("compare", f"{text[:64]!r} is not 'previous'.")
    return bool(text)


def _require_closed_period(query: BreakdownQuery) -> None:
    if query.period.start is not None and query.period.end is not None:
        return
    for name, is_asked in (("compare", query.is_compared), ("group_by", query.granularity is not None)):
        if is_asked:
            raise InvalidField(name, "This takes a start_date and an end_date.")
