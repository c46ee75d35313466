"""Moved to `agentcore_metering.adapters.django.retention`."""

from __future__ import annotations

from agentcore_metering.adapters.django.retention import DEFAULT_BATCH_SIZE
from agentcore_metering.adapters.django.tasks.cleanup import clean_up as cleanup_old_llm_usage

__all__ = ["DEFAULT_BATCH_SIZE", "cleanup_old_llm_usage"]
