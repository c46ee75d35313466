"""Moved to `agentcore_metering.adapters.django.config.editing` and `.config.resolver`."""

from __future__ import annotations

from agentcore_metering.adapters.django.config.editing import default_config_uuid as get_default_llm_config_uuid

__all__ = ["get_default_llm_config_uuid"]
