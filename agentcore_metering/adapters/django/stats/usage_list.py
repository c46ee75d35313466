"""The document of `llm-usage/`: one page of rows, newest first, and the figures that follow from a row alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from agentcore_metering.adapters.django.config.users import display_name
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.models.querysets import UsageQuerySet
from agentcore_metering.adapters.django.stats.params import UsageQuery
from agentcore_metering.adapters.django.stats.shapes import exact_text, number, rate, seconds
from agentcore_metering.adapters.django.stats.totals import select_rows
from agentcore_metering.adapters.django.trace_links import trace_url

__all__ = ["usage_item", "usage_page"]

_COPIED = (
    "model",
    "attempt",
    "operation",
    "provider",
    "response_model",
    "node_name",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "usage_source",
    "usage_details",
    "cost_currency",
    "cost_status",
    "cost_source",
    "success",
    "status",
    "error",
    "error_type",
    "finish_reason",
    "trace_id",
    "span_id",
    "metadata",
)


def usage_page(query: UsageQuery) -> dict[str, Any]:
    """One page: results, total, page, page_size. Two queries; behind the last page only the counting one, and no results."""
    rows = _matching(query)
    total = rows.count()
    offset = (query.page - 1) * query.page_size
    # Checked before the slice: an offset of any size is more than a database takes.
    found = _slice(rows, offset, query.page_size) if offset < total else []
    return {
        "results": [usage_item(row) for row in found],
        "total": total,
        "page": query.page,
        "page_size": query.page_size,
    }


def usage_item(row: LLMUsage) -> dict[str, Any]:
    """One row as JSON. `ttft_sec` is there only for a stream that had a first chunk."""
    span = _span(row.started_at, row.ended_at or row.created_at)
    latency_s = None if span is None else seconds(span)
    item = {
        "id": str(row.id),
        "call_id": _text(row.call_id),
        "config_uuid": _text(row.config_uuid),
        "user_id": row.user_id,
        "username": display_name(row.user) if row.user else None,
        **{name: getattr(row, name) for name in _COPIED},
        "trace_url": trace_url(row),
        "cost": None if row.cost is None else number(row.cost),
        "cost_amount": None if row.cost is None else exact_text(row.cost),
        "created_at": row.created_at.isoformat(),
        "started_at": row.started_at.isoformat() if row.started_at else None,
        "e2e_latency_sec": latency_s,
        "latency_sec": latency_s,
        "output_tps": None if span is None else rate(row.completion_tokens, span),
    }
    first_chunk_span = _span(row.started_at, row.first_chunk_at) if row.is_streaming else None
    if first_chunk_span is not None:
        item["ttft_sec"] = seconds(first_chunk_span)
    return item


def _matching(query: UsageQuery) -> UsageQuerySet:
    rows = select_rows(query.period, query.user_pk)
    if query.model is not None:
        rows = rows.filter(model__icontains=query.model)
    return rows if query.success is None else rows.filter(success=query.success)


def _slice(rows: UsageQuerySet, offset: int, size: int) -> list[LLMUsage]:
    return list(rows.select_related("user").order_by("-created_at", "-id")[offset : offset + size])


def _span(start: datetime | None, end: datetime | None) -> timedelta | None:
    return None if start is None or end is None else end - start


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)
