"""Moved to `agentcore_metering.adapters.django.config.policy`."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.policy import change_policy
from agentcore_metering.adapters.django.models import MeteringConfig

__all__ = ["get_global_config", "set_global_config"]


def get_global_config(key: str) -> Any:
    """What is stored for a key, or None."""
    rows = MeteringConfig.objects.using(metering_settings.DATABASE_ALIAS).filter(scope=MeteringConfig.SCOPE_GLOBAL)
    return rows.filter(key=key).values_list("value", flat=True).first()


def set_global_config(key: str, value: Any) -> None:
    """Store it. Raises InvalidField (a ValueError) for a key that there is not, or a value that it does not take."""
    change_policy({key: value})
