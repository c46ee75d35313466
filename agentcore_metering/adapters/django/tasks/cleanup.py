"""The clean-up by the retention policy, once a day."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.config.beat import CLEANUP_TASK
from agentcore_metering.adapters.django.retention import DEFAULT_BATCH_SIZE, apply_retention
from agentcore_metering.adapters.django.tasks.running import periodic_task

__all__ = ["TASK_NAME", "clean_up", "cleanup_old_llm_usage_task"]

TASK_NAME = CLEANUP_TASK


def clean_up(retention_days: int | None = None, batch_size: int | None = None) -> dict[str, Any]:
    """Delete usage that is older than `retention_days`; None: what the policy says, and only where it says so."""
    result = apply_retention(retention_days, batch_size=batch_size or DEFAULT_BATCH_SIZE)
    counts = {"deleted_usage": result.deleted_usage, "deleted_series": result.deleted_series}
    told = {**counts, "cutoff": result.cutoff.isoformat(), "retention_days": result.retention_days}
    if result.dropped_tables:
        told["dropped_tables"] = list(result.dropped_tables)
    return told if result.skipped is None else {**told, "skipped": True, "reason": result.skipped}


cleanup_old_llm_usage_task = periodic_task(TASK_NAME, clean_up)
