"""Owns what is done to a record that the database will not have: everything that a database is known to refuse is mended.

The figure that was refused is kept in the notes, and so in the row's metadata. That a record was refused is found out by `journal`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from agentcore_metering.core.types import AttemptRecord, Cost, CostStatus, Usage
from agentcore_metering.delivery.codec import encode, read_lines

__all__ = ["repaired"]

MAX_TOKENS = (2**31 - 1) // 2
"""So that the sum of input and output still fits its column."""
MAX_ATTEMPT = 2**15 - 1
MAX_AMOUNT = Decimal(9_000_000)
"""Currency units that a row holds on every database."""
MAX_DURATION_S = 366 * 24 * 3600.0
MAX_CHARACTERS = 10_000

_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")


def repaired(record: AttemptRecord) -> AttemptRecord:
    """The record without its user, with texts that any database takes and figures within their columns.

    The notes say what was changed: `unresolved_user_id`, `refused_cost`, `refused_usage`.
    """
    record = _plain(record)
    user_id = record.context.user_id
    usage = record.facts.usage
    usable_usage = _usable_usage(usage)
    cost = record.cost if record.cost is None or _is_storable(record.cost) else None
    notes = {
        **record.notes,
        "unresolved_user_id": None if user_id is None else str(user_id),
        "refused_cost": str(record.cost.amount) if record.cost is not None and cost is None else None,
        "refused_usage": _counts(usage) if _counts(usage) != _counts(usable_usage) else None,
    }
    mended = dataclasses.replace(
        record,
        attempt=_within(record.attempt, 1, MAX_ATTEMPT),
        context=dataclasses.replace(record.context, user_id=None),
        facts=dataclasses.replace(record.facts, usage=usable_usage),
        cost=cost,
        cost_status=record.cost_status if cost is record.cost else CostStatus.UNPRICED,
        duration_s=_seconds(record.duration_s) or 0.0,
        time_to_first_chunk_s=_seconds(record.time_to_first_chunk_s),
        notes={name: value for name, value in notes.items() if value is not None},
    )
    clean: AttemptRecord = _clean(mended)
    return clean


def _plain(record: AttemptRecord) -> AttemptRecord:
    """The record as the journal would give it back: its metadata is bounded and JSON, whatever objects the host has put there."""
    read_back = next(read_lines(encode(record)), None)
    return read_back if isinstance(read_back, AttemptRecord) else record


def _usable_usage(usage: Usage) -> Usage:
    counts: dict[str, Any] = {name: _within(getattr(usage, name), 0, MAX_TOKENS) for name in _COUNTS}
    return dataclasses.replace(usage, **counts)


def _counts(usage: Usage) -> dict[str, str]:
    return {name: str(getattr(usage, name)) for name in _COUNTS}


def _within(value: Any, least: int, most: int) -> int:
    return min(max(value, least), most) if isinstance(value, int) else least


def _seconds(value: Any) -> float | None:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return min(max(float(value), 0.0), MAX_DURATION_S)


def _is_storable(cost: Cost) -> bool:
    amounts = [cost.amount] if cost.computed_amount is None else [cost.amount, cost.computed_amount]
    try:
        return all(abs(amount) <= MAX_AMOUNT for amount in amounts)
    except InvalidOperation:  # a NaN compares with nothing
        return False


def _clean(value: Any) -> Any:
    """`value` with every text in it clean: dataclasses stay what they are, everything else becomes plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {item.name: _clean(getattr(value, item.name)) for item in dataclasses.fields(value)}
        return dataclasses.replace(value, **changes)
    if type(value) is str:
        return _clean_text(value)
    if isinstance(value, Mapping):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_clean, value))
    return value


def _clean_text(text: str) -> str:
    """Without NUL and half surrogates, which no UTF-8 database takes, and bounded."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")[:MAX_CHARACTERS]
