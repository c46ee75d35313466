"""Moved to `agentcore_metering.adapters.django.config.policy`, `.config.crontab`, `.conf` and `.tasks.schedules`; `conf` hands these on."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.crontab import is_crontab as is_valid_crontab_expression
from agentcore_metering.adapters.django.config.policy import read_policy
from agentcore_metering.adapters.django.tasks.schedules import AGGREGATE_ENTRY, CLEANUP_ENTRY, beat_entry

__all__ = [
    "get_aggregation_beat_schedule_init",
    "get_aggregation_crontab",
    "get_aggregation_timezone",
    "get_cleanup_beat_schedule_init",
    "get_cleanup_crontab",
    "get_cleanup_enabled",
    "get_retention_days",
    "is_valid_crontab_expression",
]


def get_retention_days() -> int:
    """Days that usage is kept."""
    return read_policy().retention_days


def get_cleanup_enabled() -> bool:
    """Whether the clean-up deletes anything."""
    return read_policy().cleanup_enabled


def get_cleanup_crontab() -> str:
    """When the clean-up runs."""
    return read_policy().cleanup_crontab


def get_aggregation_crontab() -> str:
    """When the aggregation runs."""
    return read_policy().aggregation_crontab


def get_aggregation_timezone() -> str:
    """The zone whose days the aggregation means."""
    return metering_settings.AGGREGATION_TIMEZONE


def get_cleanup_beat_schedule_init() -> dict[str, Any]:
    """Beat's entry for the clean-up, by the Django settings alone."""
    return {CLEANUP_ENTRY: beat_entry(CLEANUP_ENTRY, metering_settings.CLEANUP_CRONTAB)}


def get_aggregation_beat_schedule_init() -> dict[str, Any]:
    """Beat's entry for the aggregation, by the Django settings alone."""
    return {AGGREGATE_ENTRY: beat_entry(AGGREGATE_ENTRY, metering_settings.AGGREGATION_CRONTAB)}
