"""The periodic work: `cleanup` and `aggregate`. Celery tasks where Celery is installed, plain functions where it is not."""

from __future__ import annotations

from agentcore_metering.adapters.django.tasks.aggregate import aggregate_llm_usage_series_task
from agentcore_metering.adapters.django.tasks.cleanup import cleanup_old_llm_usage_task

__all__ = ["aggregate_llm_usage_series_task", "cleanup_old_llm_usage_task"]
