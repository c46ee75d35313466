"""The documents of `llm-usage/`: a page of rows, newest first, by number or by cursor, and the figures that follow from a row alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from agentcore_metering.adapters.django.config.users import display_name
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.models.querysets import UsageQuerySet
from agentcore_metering.adapters.django.stats.cursors import Cursor, encode_cursor
from agentcore_metering.adapters.django.stats.shapes import exact_text, number, rate, seconds
from agentcore_metering.adapters.django.stats.usage_query import UsageQuery, select_usage
from agentcore_metering.adapters.django.trace_links import trace_url
from agentcore_metering.core.masking import mask

__all__ = [
    "NEWEST_FIRST",
    "OLDEST_FIRST",
    "rows_newer_than",
    "rows_older_than",
    "usage_item",
    "usage_page",
    "usage_walk",
]

NEWEST_FIRST = ("-created_at", "-id")
OLDEST_FIRST = ("created_at", "id")
DEEP_OFFSET = 1_000
"""From where on a page is looked for in two steps."""

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
    "error_type",
    "finish_reason",
    "trace_id",
    "span_id",
    "metadata",
)


def usage_page(query: UsageQuery) -> dict[str, Any]:
    """One page: results, total, page, page_size. Two queries, far from both ends four; behind the last page only the counting one, and no results.

    The count is exact, and costs a look at every row that matches; so does a page far from both ends. `usage_walk` has neither.
    """
    rows = select_usage(query.filters)
    total = rows.count()
    offset = (query.page - 1) * query.page_size
    # Checked before the slice: an offset of any size is more than a database takes.
    found = _slice(rows, offset, min(query.page_size, total - offset), total) if offset < total else []
    return {
        "results": [usage_item(row) for row in found],
        "total": total,
        "page": query.page,
        "page_size": query.page_size,
    }


def usage_walk(query: UsageQuery) -> dict[str, Any]:
    """The rows behind the query's cursor, newest first, and the cursors before and behind them. One query, however deep.

    A walk to the end gives every row once that was there when it began and is not deleted meanwhile; newer ones come before its start.
    """
    cursor, size = query.cursor, query.page_size
    is_backward = cursor is not None and cursor.is_backward
    rows = select_usage(query.filters)
    if cursor is not None:
        rows = rows_newer_than(rows, cursor) if is_backward else rows_older_than(rows, cursor)
    order = OLDEST_FIRST if is_backward else NEWEST_FIRST
    found = list(rows.select_related("user").order_by(*order)[: size + 1])
    has_more = len(found) > size
    found = found[:size][::-1] if is_backward else found[:size]
    has_newer, has_older = (has_more, True) if is_backward else (cursor is not None, has_more)
    return {
        "results": [usage_item(row) for row in found],
        "next_cursor": _cursor_at(found[-1:], query, is_backward=False) if has_older else None,
        "previous_cursor": _cursor_at(found[:1], query, is_backward=True) if has_newer else None,
        "page_size": size,
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
        # Rows of older code hold a provider's text as it came.
        "error": mask(row.error) if row.error else row.error,
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


def rows_older_than(rows: UsageQuerySet, cursor: Cursor) -> UsageQuerySet:
    """The rows behind this place in the order of `NEWEST_FIRST`."""
    # The first condition alone follows from the second, but it is the one that an index is entered by.
    return rows.filter(Q(created_at__lt=cursor.created_at) | Q(id__lt=cursor.id), created_at__lte=cursor.created_at)


def rows_newer_than(rows: UsageQuerySet, cursor: Cursor) -> UsageQuerySet:
    """The rows behind this place in the order of `OLDEST_FIRST`."""
    return rows.filter(Q(created_at__gt=cursor.created_at) | Q(id__gt=cursor.id), created_at__gte=cursor.created_at)


def _cursor_at(end: list[LLMUsage], query: UsageQuery, *, is_backward: bool) -> str | None:
    if not end:
        return None
    [row] = end
    return encode_cursor(Cursor(row.created_at, row.id, is_backward), query.filters.given)


def _slice(rows: UsageQuerySet, offset: int, size: int, total: int) -> list[LLMUsage]:
    # From the end that is nearer: the last page, which lists offer a button for, costs as little as the first.
    is_from_end = offset > total // 2
    offset = total - offset - size if is_from_end else offset
    order = OLDEST_FIRST if is_from_end else NEWEST_FIRST
    rows, offset = _skipped(rows, offset, is_oldest_first=is_from_end)
    found = list(rows.select_related("user").order_by(*order)[offset : offset + size])
    return found[::-1] if is_from_end else found


def _skipped(rows: UsageQuerySet, offset: int, *, is_oldest_first: bool) -> tuple[UsageQuerySet, int]:
    """The same place in fewer rows. Two queries that an index on the moment alone answers, in place of sorting all rows before it."""
    if offset < DEEP_OFFSET:
        return rows, offset
    moments = rows.order_by("created_at" if is_oldest_first else "-created_at").values_list("created_at", flat=True)
    found = list(moments[offset : offset + 1])
    if not found:  # rows were deleted since they were counted
        return rows.none(), 0
    [moment] = found
    is_before = Q(created_at__lt=moment) if is_oldest_first else Q(created_at__gt=moment)
    return rows.exclude(is_before), max(0, offset - rows.filter(is_before).count())


def _span(start: datetime | None, end: datetime | None) -> timedelta | None:
    return None if start is None or end is None else end - start


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)
