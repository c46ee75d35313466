"""Figures from usage rows: the query string parsed, totals, series and the list of rows. Knows nothing of HTTP."""

from __future__ import annotations

from agentcore_metering.adapters.django.stats.params import (
    StatsQuery,
    UnsupportedGranularity,
    UsageQuery,
    parse_stats_query,
    parse_usage_query,
)
from agentcore_metering.adapters.django.stats.series import token_stats
from agentcore_metering.adapters.django.stats.usage_list import usage_page

__all__ = [
    "StatsQuery",
    "UnsupportedGranularity",
    "UsageQuery",
    "parse_stats_query",
    "parse_usage_query",
    "token_stats",
    "usage_page",
]
