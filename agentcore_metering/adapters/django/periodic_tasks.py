"""Puts the periodic tasks where a host's Celery beat finds them: its registry, and the tables of `django_celery_beat`.

The registry is `core.periodic_registry.TASK_REGISTRY`; each is used where there is one.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.beat import follow_schedules
from agentcore_metering.adapters.django.config.policy import read_policy
from agentcore_metering.adapters.django.tasks.schedules import AGGREGATE_ENTRY, CLEANUP_ENTRY, beat_entry

__all__ = ["register_periodic_tasks"]

logger = logging.getLogger(__name__)

REGISTRY = "core.periodic_registry"


def register_periodic_tasks() -> None:
    """Register clean-up and aggregation with the schedules that the policy has now.

    Rows of `django_celery_beat` that are there already, which registries leave as they are, get these schedules too; missing ones are made
    where there is no registry, whose doing that is otherwise. With neither, nothing happens but a line in the log: such a host schedules the
    tasks, or the commands `metering_cleanup` and `aggregate_llm_usage_series`, itself.
    """
    registry = _registry()
    policy = read_policy()
    schedules = {AGGREGATE_ENTRY: policy.aggregation_crontab}
    if metering_settings.CLEANUP_ENABLED:
        schedules = {CLEANUP_ENTRY: policy.cleanup_crontab, **schedules}
    if registry is not None:
        _add(registry, schedules)
    follow_schedules(schedules, creates=registry is None)


def _registry() -> Any:
    try:
        return import_module(REGISTRY).TASK_REGISTRY
    except ModuleNotFoundError as exc:
        if exc.name not in (REGISTRY, REGISTRY.partition(".")[0]):
            raise
        logger.warning("There is no %s, so no periodic task was registered there", REGISTRY)
        return None


def _add(registry: Any, schedules: dict[str, str]) -> None:
    for name, crontab in schedules.items():
        entry = beat_entry(name, crontab)
        registry.add(
            name=name, task=entry["task"], schedule=entry["schedule"], args=(), kwargs={}, queue=None, enabled=True
        )
