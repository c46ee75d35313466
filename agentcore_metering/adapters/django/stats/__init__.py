"""Figures from usage rows: the query string parsed, totals, series and the list of rows. Knows nothing of HTTP."""

from __future__ import annotations

from agentcore_metering.adapters.django.stats.breakdown import usage_breakdown
from agentcore_metering.adapters.django.stats.breakdown_query import DIMENSION_NAMES as BREAKDOWN_DIMENSIONS
from agentcore_metering.adapters.django.stats.breakdown_query import ORDERS as BREAKDOWN_ORDERS
from agentcore_metering.adapters.django.stats.breakdown_query import TIME_NAMES as BREAKDOWN_TIMES
from agentcore_metering.adapters.django.stats.breakdown_query import BreakdownQuery, parse_breakdown_query
from agentcore_metering.adapters.django.stats.params import (
    StatsQuery,
    UnsupportedGranularity,
    parse_stats_query,
)
from agentcore_metering.adapters.django.stats.series import token_stats
from agentcore_metering.adapters.django.stats.usage_detail import usage_detail
from agentcore_metering.adapters.django.stats.usage_list import usage_page, usage_walk
from agentcore_metering.adapters.django.stats.usage_query import (
    FILTER_NAMES,
    METADATA_PREFIX,
    STATUSES,
    UsageFilter,
    UsageQuery,
    parse_usage_filter,
    parse_usage_query,
    select_usage,
)

__all__ = [
    "BREAKDOWN_DIMENSIONS",
    "BREAKDOWN_ORDERS",
    "BREAKDOWN_TIMES",
    "FILTER_NAMES",
    "METADATA_PREFIX",
    "STATUSES",
    "BreakdownQuery",
    "StatsQuery",
    "UnsupportedGranularity",
    "UsageFilter",
    "UsageQuery",
    "parse_breakdown_query",
    "parse_stats_query",
    "parse_usage_filter",
    "parse_usage_query",
    "select_usage",
    "token_stats",
    "usage_breakdown",
    "usage_detail",
    "usage_page",
    "usage_walk",
]
