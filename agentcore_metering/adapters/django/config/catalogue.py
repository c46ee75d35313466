"""The models that an admin can choose from: those that LiteLLM's bundled map knows of the listed providers, and what it says of each.

No list of models is kept by hand and nothing is fetched: the providers' labels are ours, everything else is the map's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.config.decision_catalogue import DECISION, with_decisions
from agentcore_metering.adapters.django.models.price import TOKENS_PER_PRICE
from agentcore_metering.core.decision_providers import DECISION_PROVIDERS, DECISIONS
from agentcore_metering.core.gateway import price_entries, price_map_version
from agentcore_metering.core.providers import PROVIDERS

__all__ = [
    "CAPABILITY_LABELS",
    "find_model",
    "model_catalogue",
    "model_modalities",
    "model_type_of",
]

LONG_CONTEXT_TOKENS = 128_000
LOW_COST_PER_1M = Decimal("0.5")

CAPABILITY_LABELS = {
    "text-to-text": _("Text"),
    "code": _("Code"),
    "vision": _("Vision"),
    "multimodal": _("Multimodal"),
    "text-to-image": _("Image generation"),
    "long-context": _("Long context"),
    "low-cost": _("Low cost"),
    "embedding": _("Embedding"),
    "reasoning": _("Reasoning"),
    "speech-to-text": _("Speech recognition"),
    "text-to-speech": _("Speech synthesis"),
    DECISION: _("Decision"),
}

_VARIANT = re.compile(r"(\A|/)(\d+-x-\d+|max-x-max|\d+-steps|hd|standard|low|medium|high)/")
"""Marks the price of a variant, such as `high/1024-x-1024/gpt-image-1`: no model that one can call."""

_MODE_CAPABILITIES = {
    "chat": "text-to-text",
    "completion": "text-to-text",
    "responses": "text-to-text",
    "embedding": "embedding",
    "image_generation": "text-to-image",
    "audio_transcription": "speech-to-text",
    "audio_speech": "text-to-speech",
    DECISIONS: DECISION,
}
_DECISION_MODES = (DECISIONS, "evaluation")
"""What the map calls the mode of a decision model."""

_INPUT_FLAGS = {
    "image": "supports_vision",
    "audio": "supports_audio_input",
    "video": "supports_video_input",
}

_MODES_OF_THEIR_OWN = frozenset({"embedding", "image_generation"})
"""Modes that are model types too; every other one is a language model's."""


@cache
def model_catalogue() -> list[dict[str, Any]]:
    """The listed providers with their models, by model id. The first call of a process loads LiteLLM, which takes seconds."""
    by_litellm_name: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    version = price_map_version()
    for key, entry in price_entries():
        name = str(entry.get("litellm_provider", ""))
        # A few keys write the provider with a dash where its name has an underscore.
        model_id = key.removeprefix(f"{name}/").removeprefix(f"{name.replace('_', '-')}/")
        if entry.get("mode") in _DECISION_MODES:
            item = _model_item(model_id, {**entry, "mode": DECISIONS}, version)
            by_litellm_name[name].setdefault(model_id, item)
        elif entry.get("mode") in _MODE_CAPABILITIES and not _VARIANT.search(model_id):
            by_litellm_name[name].setdefault(model_id, _model_item(model_id, entry, version))
    listed = [
        {
            "id": provider.id,
            "label": provider.label,
            "models": [] if provider.is_gateway else _sorted_models(by_litellm_name[provider.litellm_name]),
            "default_api_base": provider.public_api_base,
        }
        for provider in PROVIDERS.values()
    ]
    others: list[dict[str, Any]] = [
        {
            "id": provider.id,
            "label": provider.label,
            "models": [one for one in _sorted_models(by_litellm_name[provider.id]) if one["mode"] == DECISIONS],
            "default_api_base": provider.default_api_base or None,
        }
        for provider in DECISION_PROVIDERS.values()
        if provider.id not in PROVIDERS
    ]
    return [with_decisions(item, _types(item["models"])) for item in (*listed, *others)]


def find_model(provider: str, model: str) -> dict[str, Any] | None:
    """The catalogue's item for a model, or None where it has none."""
    return _items().get((provider.strip().lower(), model.strip()))


def model_type_of(provider: str, model: Any) -> str:
    """`embedding`, `image_generation` or `llm`, by what the catalogue says the model is for; `llm` for one that it does not know.

    `decision` for providers that have nothing else. A model of another provider that decides is one only where somebody says so.
    """
    decides = DECISION_PROVIDERS.get(provider.strip().lower())
    if decides is not None and not decides.is_chat_too:
        return DECISION
    item = find_model(provider, model) if isinstance(model, str) else None
    mode = item["mode"] if item is not None else ""
    return mode if mode in _MODES_OF_THEIR_OWN else "llm"


def model_modalities(provider: str, model: Any) -> Mapping[str, list[str]]:
    """`supported_modalities` and `supported_output_modalities` of a model, by the map; empty for one that it does not know."""
    if not isinstance(model, str):
        return {}
    return _modalities_by_model().get((provider.strip().lower(), model.strip()), {})


@cache
def _modalities_by_model() -> dict[tuple[str, str], dict[str, list[str]]]:
    ids = {provider.litellm_name: provider.id for provider in PROVIDERS.values() if not provider.is_gateway}
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for key, entry in price_entries():
        name = str(entry.get("litellm_provider", ""))
        if name in ids:
            found.setdefault((ids[name], key.removeprefix(f"{name}/")), _modalities(entry))
    return found


def _modalities(entry: Mapping[str, Any]) -> dict[str, list[str]]:
    """The map's own lists; where it has none, what its flags say of a model for chat."""
    is_chat = entry.get("mode") in ("chat", "completion", "responses")
    flags = {"text": is_chat, **{name: bool(entry.get(flag)) for name, flag in _INPUT_FLAGS.items()}}
    return {
        "supported_modalities": _listed(entry.get("supported_modalities"))
        or [name for name, has in flags.items() if has],
        "supported_output_modalities": _listed(entry.get("supported_output_modalities"))
        or (["text"] if is_chat else []),
    }


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


@cache
def _items() -> dict[tuple[str, str], dict[str, Any]]:
    return {(provider["id"], item["id"]): item for provider in model_catalogue() for item in provider["models"]}


def _types(models: Iterable[Mapping[str, Any]]) -> set[str]:
    """The model types of these models, but for those that decide."""
    modes = {model["mode"] for model in models} - {DECISIONS}
    return {mode if mode in _MODES_OF_THEIR_OWN else "llm" for mode in modes}


def _model_item(model_id: str, entry: Mapping[str, Any], version: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": model_id,
        "label": model_id,
        "capabilities": list(_capabilities(entry)),
        "max_input_tokens": _whole(entry.get("max_input_tokens")),
        "max_output_tokens": _whole(entry.get("max_output_tokens")),
        "mode": entry["mode"],
    }
    price = _per_1m(entry.get("input_cost_per_token")), _per_1m(entry.get("output_cost_per_token"))
    if price[0] is not None:
        item["reference_pricing"] = {
            "input_usd_per_1m": float(price[0]),
            "output_usd_per_1m": float(price[1]) if price[1] is not None else None,
            "source": version,
            "updated": None,
        }
    return item


def _capabilities(entry: Mapping[str, Any]) -> Iterator[str]:
    yield _MODE_CAPABILITIES[entry["mode"]]
    if entry.get("supports_vision"):
        yield "vision"
    if entry.get("supports_vision") and entry.get("supports_audio_input"):
        yield "multimodal"
    if entry.get("supports_reasoning"):
        yield "reasoning"
    if (_whole(entry.get("max_input_tokens")) or 0) >= LONG_CONTEXT_TOKENS:
        yield "long-context"
    price = _per_1m(entry.get("input_cost_per_token"))
    if price is not None and price <= LOW_COST_PER_1M and entry["mode"] == "chat":
        yield "low-cost"


def _sorted_models(models: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [models[model_id] for model_id in sorted(models)]


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _per_1m(value: Any) -> Decimal | None:
    """A price per token as one for a million, in exact decimals; None where there is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return Decimal(str(value)) * TOKENS_PER_PRICE
