"""Moved to `agentcore_metering.adapters.django.config.catalogue`."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.config.catalogue import CAPABILITY_LABELS, find_model, model_catalogue
from agentcore_metering.adapters.django.config.catalogue import model_type_of as get_model_type_for_model_id

__all__ = ["get_model_capabilities", "get_model_type_for_model_id", "get_providers_with_models"]


def get_providers_with_models() -> dict[str, Any]:
    """What `llm-config/models/` answers."""
    labels = {capability: str(label) for capability, label in CAPABILITY_LABELS.items()}
    return {"providers": model_catalogue(), "capability_labels": labels}


def get_model_capabilities(provider: str, model_id: str) -> dict[str, Any] | None:
    """The catalogue's item for a model, or None where it does not know it."""
    return find_model(provider, model_id)
