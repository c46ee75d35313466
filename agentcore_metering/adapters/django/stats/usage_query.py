"""Query string -> which usage rows are meant: the filters that the list, its pages and the exports share, and the page of a list.

Every value is bounded and bound; no name from outside reaches SQL. How a key of the metadata is compared is left to `metadata_text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Q

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.users import parse_user_pk
from agentcore_metering.adapters.django.fields import to_exact
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.models.querysets import UsageQuerySet
from agentcore_metering.adapters.django.stats.buckets import EVER, Period
from agentcore_metering.adapters.django.stats.cursors import Cursor, decode_cursor
from agentcore_metering.adapters.django.stats.metadata_text import MetadataText
from agentcore_metering.adapters.django.stats.params import parse_period
from agentcore_metering.adapters.django.stats.totals import select_rows
from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.errors import InvalidField
from agentcore_metering.core.types import Status

__all__ = [
    "FILTER_NAMES",
    "METADATA_PREFIX",
    "STATUSES",
    "UsageFilter",
    "UsageQuery",
    "parse_usage_filter",
    "parse_usage_query",
    "select_usage",
]

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
METADATA_PREFIX = "metadata."
MAX_METADATA_FILTERS = 5
MAX_METADATA_CHARS = 1_000
MAX_MODEL_CHARS = 10_000
"""SQLite fails on a pattern of more than 50,000 bytes, and a character may take four."""
NUL = "\x00"

# A quote or a backslash would end the path that SQLite is given.
_METADATA_KEY = re.compile(r"[A-Za-z0-9_.:/@ -]{1,100}", re.ASCII)
_TRACE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which rows are meant."""

    given: tuple[tuple[str, str], ...] = ()
    """The filters as they were written, by name; what a cursor is bound to."""
    period: Period = EVER
    user_pk: Any = None
    """The user model's key type; None for everybody."""
    conditions: tuple[Q, ...] = ()
    """All of which hold for a row."""


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Which page of which rows is asked for."""

    filters: UsageFilter = UsageFilter()
    page: int = 1
    """1 for the first; may lie behind the last one. Means nothing where rows are walked by cursor."""
    page_size: int = DEFAULT_PAGE_SIZE
    is_by_cursor: bool = False
    cursor: Cursor | None = None
    """Where a walk goes on; None begins it at the newest row."""


def parse_usage_query(params: Mapping[str, str]) -> UsageQuery:
    """The query of `llm-usage/`. `page`, `page_size` and `success` are lenient, as existing UIs expect; the rest is strict.

    Raises:
        InvalidField: a filter or the cursor is not what it should be.
    """
    filters = parse_usage_filter(params)
    page_size = _whole_number(params.get("page_size"), DEFAULT_PAGE_SIZE)
    cursor_text = params.get("cursor")
    return UsageQuery(
        filters=filters,
        page=max(1, _whole_number(params.get("page"), 1)),
        page_size=min(max(1, page_size), MAX_PAGE_SIZE),
        is_by_cursor=cursor_text is not None,
        cursor=decode_cursor(cursor_text, filters.given) if cursor_text else None,
    )


def parse_usage_filter(
    params: Mapping[str, str], *, is_strict: bool = False, others: tuple[str, ...] = ()
) -> UsageFilter:
    """The filters among the parameters; an empty one counts as absent.

    With `is_strict`, a name that is neither a filter nor one of `others` is refused: a misspelt filter would select every row.

    Raises:
        InvalidField: a value is not what its filter takes.
    """
    if is_strict:
        _require_known(params, others)
    given = tuple(sorted(_given(params)))
    return UsageFilter(
        given=given,
        period=parse_period(params),
        user_pk=_user_pk(params),
        conditions=tuple(_conditions(dict(given), params)),
    )


def select_usage(filters: UsageFilter) -> UsageQuerySet:
    """The rows that the filters let through, in no order."""
    return select_rows(filters.period, filters.user_pk).filter(*filters.conditions)


def _given(params: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in params:
        # Any other text of `success` is no filter, as existing UIs expect.
        is_none = name == "success" and params.get(name) not in _BOOLEANS
        if _is_filter(name) and not is_none and (text := _text(params, name)):
            yield name, text


def _conditions(given: Mapping[str, str], params: Mapping[str, str]) -> Iterator[Q]:
    for name, text in given.items():
        condition_of = _FILTERS.get(name)
        if condition_of is not None:
            yield condition_of(name, text)
    yield from _cost_conditions(given)
    yield from _metadata_conditions(given)


def _column(column: str) -> Callable[[str, str], Q]:
    """Rows whose column has exactly this text."""
    limit = getattr(LLMUsage._meta.get_field(column), "max_length", None) or MAX_MODEL_CHARS

    def condition(name: str, text: str) -> Q:
        _require_short(name, text, limit)
        return Q(**{column: text})

    return condition


def _one_of(choices: Mapping[str, Q]) -> Callable[[str, str], Q]:
    def condition(name: str, text: str) -> Q:
        if text not in choices:
            raise InvalidField(name, f"{text[:64]!r} is not one of {', '.join(choices)}.")
        return choices[text]

    return condition


def _uuid_in(column: str) -> Callable[[str, str], Q]:
    def condition(name: str, text: str) -> Q:
        try:
            return Q(**{column: UUID(text)})
        except ValueError:
            raise InvalidField(name, f"{text[:64]!r} is not a UUID.") from None

    return condition


def _model(name: str, text: str) -> Q:
    _require_short(name, text, MAX_MODEL_CHARS)
    return Q(model__icontains=text)


def _trace(name: str, text: str) -> Q:
    if not _TRACE_ID.fullmatch(text.lower()):
        raise InvalidField(name, f"{text[:64]!r} is not the 32 hexadecimal digits of a trace.")
    return Q(trace_id=text.lower())


def _currency(name: str, text: str) -> Q:
    _require_short(name, text, 10)
    currency = text.upper()
    # Older code stored what it was given, also nothing.
    unsaid = [""] if currency == DEFAULT_COST_CURRENCY else []
    return Q(cost_currency__in=[currency, currency.lower(), *unsaid])


# A row of code that knows the older schema has no status; there `success` decides.
STATUSES: dict[str, Q] = {
    Status.SUCCEEDED.value: Q(status=Status.SUCCEEDED.value) | Q(status__isnull=True, success=True),
    Status.FAILED.value: Q(status=Status.FAILED.value) | Q(status__isnull=True, success=False),
    Status.CANCELLED.value: Q(status=Status.CANCELLED.value),
    Status.INTERRUPTED.value: Q(status=Status.INTERRUPTED.value),
}

_FILTERS: dict[str, Callable[[str, str], Q]] = {
    "model": _model,
    "response_model": _column("response_model"),
    "provider": _column("provider"),
    "operation": _column("operation"),
    "node": _column("node_name"),
    "source_type": _column("source_type"),
    "status": _one_of(STATUSES),
    "success": _one_of({text: Q(success=value) for text, value in _BOOLEANS.items()}),
    "error_type": _column("error_type"),
    "call_id": _uuid_in("call_id"),
    "config": _uuid_in("config_uuid"),
    "trace_id": _trace,
    "currency": _currency,
    "priced": _one_of({"true": Q(cost__isnull=False), "false": Q(cost__isnull=True)}),
}
_COST_BOUNDS = {"cost_min": "cost__gte", "cost_max": "cost__lte"}

FILTER_NAMES = ("start_date", "end_date", "user_id", *_FILTERS, *_COST_BOUNDS)
"""Every filter but those of the metadata, whose names begin with `METADATA_PREFIX`."""


def _cost_conditions(given: Mapping[str, str]) -> Iterator[Q]:
    for name, lookup in _COST_BOUNDS.items():
        if name in given:
            if "currency" not in given:
                raise InvalidField("currency", f"{name} takes a currency beside it: amounts of two are not compared.")
            yield Q(**{lookup: _amount(name, given[name])})


def _amount(name: str, text: str) -> Decimal:
    try:
        amount = to_exact(text if len(text) <= 64 else "")
        # Each database has a largest amount of its own.
        LLMUsage._meta.get_field("cost").get_db_prep_value(amount, connections[metering_settings.DATABASE_ALIAS])
    except ValidationError:
        raise InvalidField(name, f"{text[:64]!r} is not an amount that a cost can have.") from None
    return amount


def _metadata_conditions(given: Mapping[str, str]) -> Iterator[Q]:
    named = {name: text for name, text in given.items() if name.startswith(METADATA_PREFIX)}
    if len(named) > MAX_METADATA_FILTERS:
        raise InvalidField("metadata", f"At most {MAX_METADATA_FILTERS} keys of the metadata can be filtered by.")
    for name, text in named.items():
        key = name.removeprefix(METADATA_PREFIX)
        if not _METADATA_KEY.fullmatch(key):
            raise InvalidField(
                "metadata", f"{key[:64]!r} is no key to filter by: letters, digits and _ . : / @ - only."
            )
        _require_short("metadata", text, MAX_METADATA_CHARS)
        yield Q(MetadataText.equals(key, text))


def _is_filter(name: str) -> bool:
    return name in FILTER_NAMES or name.startswith(METADATA_PREFIX)


def _require_known(params: Mapping[str, str], others: tuple[str, ...]) -> None:
    for name in params:
        if not _is_filter(name) and name not in others:
            known = ", ".join((*others, *FILTER_NAMES, f"{METADATA_PREFIX}<key>"))
            raise InvalidField("parameters", f"{name[:64]!r} is not a parameter of this endpoint; it takes {known}.")


def _require_short(name: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise InvalidField(name, f"This has {len(text)} characters, more than {limit}.")


def _user_pk(params: Mapping[str, str]) -> Any:
    text = _text(params, "user_id")
    return parse_user_pk(text) if text else None


def _text(params: Mapping[str, str], name: str) -> str:
    text = str(params.get(name) or "").strip()
    if NUL in text:
        raise InvalidField("metadata" if name.startswith(METADATA_PREFIX) else name, "Null characters are not allowed.")
    return text


def _whole_number(text: str | None, default: int) -> int:
    try:
        return int(text or "")
    except ValueError:
        return default
