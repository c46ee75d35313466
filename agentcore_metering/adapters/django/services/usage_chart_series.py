"""Moved to `agentcore_metering.adapters.django.stats` and `.tasks`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agentcore_metering.adapters.django.services.usage_aggregation import get_token_stats_from_query
from agentcore_metering.adapters.django.services.usage_list import as_params
from agentcore_metering.adapters.django.tasks.buckets import refresh_buckets

__all__ = ["aggregate_usage_to_series", "get_series_for_charts"]


def aggregate_usage_to_series(
    granularity: str, start_date: datetime | None = None, end_date: datetime | None = None
) -> int:
    """Sum up the buckets in between; how many hours that were. All granularities come together."""
    return refresh_buckets(start_date, end_date)


def get_series_for_charts(granularity: str, start_date: Any = None, end_date: Any = None) -> list[dict[str, Any]]:
    """The series by model, of a view of a `day`, `month` or `year`; empty without both dates."""
    given = {"granularity": granularity, "start_date": start_date, "end_date": end_date, "use_series": "1"}
    return list(get_token_stats_from_query(as_params(given)).get("series_by_model") or [])
