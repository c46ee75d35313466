"""`AttemptRecord` -> `LLMUsage`: the only place that knows both, and the insert that may be repeated."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Now

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.bulk import Row, insert_new
from agentcore_metering.adapters.django.persistence.priced_rows import price_snapshot, usage_details
from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.payload import to_json
from agentcore_metering.core.types import AttemptRecord, Cost, Status

__all__ = ["insert_rows", "usage_row", "write_rows"]

NUL = "\x00"
"""PostgreSQL stores it in no text."""


def write_rows(records: Iterable[AttemptRecord], using: str) -> None:
    """Bring the records into the table, all or none. A record that already has its row is left as it is.

    Except that a row which says `interrupted` gives way to the attempt's end, in whatever order the two come.
    """
    rows = [usage_row(record) for record in records]
    with transaction.atomic(using=using):
        insert_rows(rows, using)


def insert_rows(rows: Sequence[Row], using: str) -> None:
    """What `write_rows` does in its transaction, for a caller who has one of his own."""
    if insert_new(rows, using):
        return
    # After the insert, which waits for another process that is just writing the same row; before it, that row would not be seen.
    ended = {row["id"]: row for row in rows if row["status"] != Status.INTERRUPTED}
    interrupted = LLMUsage.objects.using(using).filter(id__in=ended, status=Status.INTERRUPTED)
    for row_id in list(interrupted.values_list("id", flat=True)):
        # Late rows are found by when they were recorded, so a row that changes is recorded anew.
        values = {**ended[row_id], "recorded_at": Now()}
        interrupted.filter(id=values.pop("id")).update(**values)


def usage_row(record: AttemptRecord) -> dict[str, Any]:
    """The row of an attempt: every column's value by its field's `attname`, but `recorded_at`, which is the database's.

    Texts are cut to their columns; a user key that cannot be one is kept in the metadata.
    """
    user_pk = _user_pk(record.context.user_id)
    row = {
        "id": record.id,
        "user_id": user_pk,
        "metadata": _metadata(record, has_user=user_pk is not None),
        **_identity(record),
        **_outcome(record),
        **_tokens(record),
        **_cost(record.cost),
        "cost_status": record.cost_status.value,
    }
    _fit_texts(row)
    return row


def _identity(record: AttemptRecord) -> dict[str, Any]:
    target, context, trace = record.target, record.context, record.trace
    return {
        "call_id": record.call_id,
        "attempt": record.attempt,
        "operation": target.operation.value,
        "provider": target.provider,
        "model": target.litellm_model,
        "request_model": target.request_model,
        "is_streaming": target.is_streaming,
        "config_uuid": target.config_uuid,
        "config_scope": target.config_scope.value if target.config_scope else None,
        "node_name": context.node_name,
        "source_type": context.source_type,
        "trace_id": trace.trace_id if trace else None,
        "span_id": trace.span_id if trace else None,
        "trace_sampled": trace.is_sampled if trace else None,
    }


def _outcome(record: AttemptRecord) -> dict[str, Any]:
    facts, ended_at = record.facts, record.ended_at
    return {
        "status": record.status.value,
        "success": record.status is Status.SUCCEEDED,
        "error": record.failure.message if record.failure else None,
        "error_type": record.error_type,
        "response_id": facts.response_id,
        "response_model": facts.response_model,
        "finish_reason": facts.finish_reason,
        "service_tier": facts.service_tier,
        "started_at": record.started_at,
        "first_chunk_at": record.first_chunk_at,
        "ended_at": ended_at,
        "created_at": ended_at,
    }


def _tokens(record: AttemptRecord) -> dict[str, Any]:
    usage = record.facts.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "usage_source": usage.source.value,
        "usage_details": usage_details(record.target, record.facts),
        "usage_raw": dict(usage.raw) if usage.raw is not None else None,
    }


_NO_COST: Mapping[str, Any] = {
    "cost": None,
    "cost_currency": DEFAULT_COST_CURRENCY,
    "cost_source": None,
    "computed_cost": None,
    "price_snapshot": None,
}


def _cost(cost: Cost | None) -> Mapping[str, Any]:
    if cost is None:
        return _NO_COST
    return {
        "cost": cost.amount,
        "cost_currency": cost.currency,
        "cost_source": cost.source.value,
        "computed_cost": cost.computed_amount,
        "price_snapshot": price_snapshot(cost),
    }


def _metadata(record: AttemptRecord, *, has_user: bool) -> dict[str, Any]:
    context = record.context
    own = {
        "node_name": context.node_name,
        "source_type": context.source_type,
        "source_path": context.source_path,
        "source_task_id": context.source_task_id,
        "response_model": record.facts.response_model,
        "usage_anomalies": list(record.facts.usage.anomalies) or None,
        "unresolved_user_id": None if has_user or context.user_id is None else str(context.user_id),
        **record.notes,
    }
    # The host's own keys last, as existing projects rely on; the columns keep what they may cover here.
    metadata: dict[str, Any] = _without_nul(to_json({**own, **context.metadata}))
    return metadata


def _user_pk(user_id: Any) -> Any:
    if user_id is None:
        return None
    try:
        return LLMUsage._meta.get_field("user").target_field.to_python(user_id)
    except ValidationError:
        return None


@cache
def _text_columns() -> tuple[tuple[str, int], ...]:
    """Names of the columns that hold texts, and how many characters."""
    return tuple(
        (field.attname, field.max_length or sys.maxsize)
        for field in LLMUsage._meta.concrete_fields
        if isinstance(field, (models.CharField, models.TextField))
    )


def _fit_texts(row: dict[str, Any]) -> None:
    for attname, max_length in _text_columns():
        value = row[attname]
        if isinstance(value, str) and (len(value) > max_length or NUL in value):
            row[attname] = value.replace(NUL, "")[:max_length]


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(NUL, "")
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    return value
