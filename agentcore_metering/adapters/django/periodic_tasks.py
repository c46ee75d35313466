"""Puts the periodic tasks into the host's registry, `core.periodic_registry.TASK_REGISTRY`, for hosts that have one."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.policy import read_policy
from agentcore_metering.adapters.django.tasks.schedules import AGGREGATE_ENTRY, CLEANUP_ENTRY, beat_entry

__all__ = ["register_periodic_tasks"]

logger = logging.getLogger(__name__)

REGISTRY = "core.periodic_registry"


def register_periodic_tasks() -> None:
    """Register clean-up and aggregation with the schedules that the policy has now. One query.

    Without a registry nothing happens but a line in the log: such a host schedules the tasks, or the commands `metering_cleanup` and
    `aggregate_llm_usage_series`, itself.
    """
    try:
        registry: Any = import_module(REGISTRY).TASK_REGISTRY
    except ModuleNotFoundError as exc:
        if exc.name not in (REGISTRY, REGISTRY.partition(".")[0]):
            raise
        logger.warning("There is no %s, so no periodic task was registered", REGISTRY)
        return
    policy = read_policy()
    schedules = {AGGREGATE_ENTRY: policy.aggregation_crontab}
    if metering_settings.CLEANUP_ENABLED:
        schedules = {CLEANUP_ENTRY: policy.cleanup_crontab, **schedules}
    for name, crontab in schedules.items():
        entry = beat_entry(name, crontab)
        registry.add(
            name=name, task=entry["task"], schedule=entry["schedule"], args=(), kwargs={}, queue=None, enabled=True
        )
