"""The providers that an admin can choose from, and which keys a configuration of each needs or may have. Their models are `catalogue`'s."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.config.decision_catalogue import DECISION, decision_keys
from agentcore_metering.constants import (
    DEFAULT_MAX_TOKENS,
    DEFAULT_TEMPERATURE,
    DEFAULT_TOP_P,
    LITELLM_NUM_RETRIES,
)
from agentcore_metering.core.decision_providers import DECISION_PROVIDERS
from agentcore_metering.core.providers import PROVIDERS, Provider

__all__ = ["provider_catalogue"]

OPTIONAL_KEYS = (
    "api_base",
    "model",
    "max_tokens",
    "temperature",
    "top_p",
    "request_timeout_seconds",
    "stream_idle_timeout_seconds",
    "stream_total_timeout_seconds",
    "num_retries",
)

_SAMPLING_DEFAULTS = {
    "default_temperature": DEFAULT_TEMPERATURE,
    "default_top_p": DEFAULT_TOP_P,
    "default_max_tokens": DEFAULT_MAX_TOKENS,
}
"""Existing forms read them of every provider."""


def provider_catalogue() -> dict[str, Any]:
    """By provider id: required and optional keys, which a form may edit, and defaults; in `decision` those of its decision models.

    Providers of decision models alone have the latter keys at both places, and say so in `model_types`.
    """
    items = {provider.id: _provider_item(provider) for provider in PROVIDERS.values()}
    for provider in DECISION_PROVIDERS.values():
        decision = decision_keys(provider)
        known = items.setdefault(provider.id, {**_SAMPLING_DEFAULTS, **decision, "model_types": [DECISION]})
        known["decision"] = decision
    return items


def _provider_item(provider: Provider) -> dict[str, Any]:
    optional = [key for key in OPTIONAL_KEYS if key not in provider.required]
    extra = ["api_version", "deployment"] if provider.id == "azure_openai" else []
    return {
        "required": list(provider.required),
        "optional": optional + extra,
        "editable_params": ["api_base", "api_key", *(key for key in OPTIONAL_KEYS if key != "api_base"), *extra],
        "default_model": provider.default_model,
        "default_api_base": provider.public_api_base,
        **_SAMPLING_DEFAULTS,
        "default_num_retries": LITELLM_NUM_RETRIES,
    }
