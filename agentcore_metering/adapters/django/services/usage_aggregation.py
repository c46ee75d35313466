"""Moved to `agentcore_metering.adapters.django.stats`."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.services.usage_list import as_params
from agentcore_metering.adapters.django.stats import parse_stats_query, token_stats

__all__ = ["get_stats_by_model", "get_summary_stats", "get_time_series_stats", "get_token_stats_from_query"]


def get_token_stats_from_query(params: Any) -> dict[str, Any]:
    """What `token-stats/` answers to these parameters."""
    return dict(token_stats(parse_stats_query(params)))


def get_summary_stats(start_date: Any = None, end_date: Any = None, user_id: Any = None) -> dict[str, Any]:
    """The totals; dates as text or datetimes."""
    return dict(_stats(start_date, end_date, user_id)["summary"])


def get_stats_by_model(start_date: Any = None, end_date: Any = None, user_id: Any = None) -> list[dict[str, Any]]:
    """The totals of each model."""
    return list(_stats(start_date, end_date, user_id)["by_model"])


def get_time_series_stats(
    granularity: str, start_date: Any = None, end_date: Any = None, user_id: Any = None
) -> list[dict[str, Any]]:
    """The totals of each bucket; `granularity` is day, month or year."""
    return list(_stats(start_date, end_date, user_id, granularity)["series"]["items"])


def _stats(start_date: Any, end_date: Any, user_id: Any, granularity: str | None = None) -> dict[str, Any]:
    given = {"start_date": start_date, "end_date": end_date, "user_id": user_id, "granularity": granularity}
    return get_token_stats_from_query(as_params(given))
