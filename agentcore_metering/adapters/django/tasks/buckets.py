"""The way from tasks, and from the older import path, to the sums over closed buckets."""

from __future__ import annotations

from datetime import datetime

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.rollups.refresh import refresh

__all__ = ["refresh_buckets"]


def refresh_buckets(start: datetime | None = None, end: datetime | None = None) -> int:
    """How many hours were summed up, of those that closed or changed; `start` and `end` bound them, None leaves a side open."""
    return refresh(metering_settings.DATABASE_ALIAS, start=start, end=end).refreshed_hours
