"""Moved to `agentcore_metering.core.request`, `.core.routing` and `agentcore_metering.adapters.django.config.provider_catalogue`."""

from __future__ import annotations

from agentcore_metering.adapters.django.config.provider_catalogue import (
    provider_catalogue as get_provider_params_schema,
)
from agentcore_metering.core.request import litellm_params as build_litellm_params_from_config

__all__ = ["build_litellm_params_from_config", "get_provider_params_schema"]
