"""What a configuration's model takes in and gives out: as its own `model_info` says, else as LiteLLM's bundled map does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentcore_metering.adapters.django.config.catalogue import model_modalities

__all__ = ["MODALITIES", "model_info"]

MODALITIES = {
    "supported_modalities": ("text", "image", "audio", "video"),
    "supported_output_modalities": ("text", "image", "audio", "video", "code"),
}
"""The two lists, and what may stand in them."""


def model_info(provider: str, options: Any) -> dict[str, Any]:
    """Both lists, and in `sources` whose word each is: `manual`, `catalog` or `unknown`."""
    # By dict's own means: where secrets cannot be opened, asking for what may be one of them raises.
    options = dict(options) if isinstance(options, Mapping) else {}
    known = model_modalities(provider, options.get("model"))
    stated = options.get("model_info")
    lists: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, allowed in MODALITIES.items():
        manual = _stated(stated, name, allowed)
        lists[name] = manual or known.get(name, [])
        sources[name] = "manual" if manual else "catalog" if lists[name] else "unknown"
    return {**lists, "sources": sources}


def _stated(stated: Any, name: str, allowed: tuple[str, ...]) -> list[str]:
    """The list that an admin wrote; empty for one with anything in it that is no modality."""
    values = stated.get(name) if isinstance(stated, Mapping) else None
    if not isinstance(values, list) or not all(isinstance(value, str) and value in allowed for value in values):
        return []
    return list(dict.fromkeys(values))
