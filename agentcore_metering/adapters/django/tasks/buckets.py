"""The way to the sums over closed buckets. Without a room that keeps such sums there is nothing to do: figures come from the rows."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings

__all__ = ["refresh_buckets"]

ROLLUPS = "agentcore_metering.adapters.django.rollups"


def refresh_buckets(start: datetime | None = None, end: datetime | None = None) -> int:
    """How many hours were summed up, of those that closed or changed; `start` and `end` bound them, None leaves a side open."""
    if find_spec(ROLLUPS) is None:
        return 0
    rollups: Any = import_module(f"{ROLLUPS}.refresh")
    return int(rollups.refresh(metering_settings.DATABASE_ALIAS, start=start, end=end).refreshed_hours)
