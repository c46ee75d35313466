"""The aggregation of closed buckets, once an hour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime

from agentcore_metering.adapters.django.config.beat import AGGREGATE_TASK
from agentcore_metering.adapters.django.models import LLMUsageSeries
from agentcore_metering.adapters.django.tasks.buckets import refresh_buckets
from agentcore_metering.adapters.django.tasks.running import periodic_task

__all__ = ["TASK_NAME_AGGREGATE", "aggregate", "aggregate_llm_usage_series_task"]

TASK_NAME_AGGREGATE = AGGREGATE_TASK


def aggregate(
    granularity: str | None = None, start_date: str | None = None, end_date: str | None = None
) -> dict[str, Any]:
    """Sum up what has closed and what has changed since; with both dates only in between.

    `granularity` must be one that there is, and makes no difference: hours, days and months are summed up together.
    """
    if granularity is not None and granularity not in LLMUsageSeries.Granularity.values:
        return {"upserted": 0, "granularity": granularity, "error": "invalid_granularity"}
    start, end = _moment(start_date), _moment(end_date)
    if start is None or end is None:
        start = end = None
    return {"upserted": refresh_buckets(start, end), "granularity": granularity or "all"}


def _moment(text: str | None) -> datetime | None:
    """ISO text as a moment, in UTC where it names no zone; None for what is no date."""
    if not text:
        return None
    try:
        day = parse_date(text)
        moment = datetime(day.year, day.month, day.day) if day is not None else parse_datetime(text)  # noqa: DTZ001 - below
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


aggregate_llm_usage_series_task = periodic_task(TASK_NAME_AGGREGATE, aggregate)
