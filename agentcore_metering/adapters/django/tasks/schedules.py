"""When the periodic tasks run: entries as Celery beat knows them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from agentcore_metering.adapters.django.config.beat import (
    AGGREGATE_ENTRY,
    AGGREGATE_TASK,
    CLEANUP_ENTRY,
    CLEANUP_TASK,
)
from agentcore_metering.adapters.django.config.crontab import is_crontab

__all__ = ["AGGREGATE_ENTRY", "CLEANUP_ENTRY", "beat_entry"]

_TASKS = {CLEANUP_ENTRY: (CLEANUP_TASK, 86_400.0), AGGREGATE_ENTRY: (AGGREGATE_TASK, 3600.0)}
"""Each entry's task, and every how many seconds it runs where its schedule cannot be read."""


def beat_entry(name: str, crontab: str) -> dict[str, Any]:
    """The entry `name` by a schedule of five fields."""
    task, seconds = _TASKS[name]
    return {"task": task, "schedule": _schedule(crontab) or seconds, "options": {}}


def _schedule(text: str) -> Any:
    """Celery's `crontab`, or None without Celery or for a text that is no schedule."""
    if not is_crontab(text):
        return None
    try:
        schedules: Any = import_module("celery.schedules")
    except ImportError:
        return None
    minute, hour, day, month, week_day = text.split()
    return schedules.crontab(minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=week_day)
