"""What the catalogue says of decision models: which keys a provider's need, and which types of models a provider has.

Who they are is `core.decision_providers`' to say; the models of the map are `catalogue`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentcore_metering.constants import LITELLM_NUM_RETRIES
from agentcore_metering.core.decision_providers import DECISION_PROVIDERS, DECISIONS, DecisionProvider

__all__ = ["DECISION", "decision_keys", "with_decisions"]

DECISION = "decision"
"""Model type and capability."""
LLM = "llm"
_OPTIONAL = ("api_base", "request_timeout_seconds", "num_retries")
_EDITABLE = ("api_key", "api_base", "model", "account_id", "request_timeout_seconds", "num_retries")


def decision_keys(provider: DecisionProvider) -> dict[str, Any]:
    """What a form for a decision model of `provider` offers and requires."""
    return {
        "label": provider.label,
        "requires_api_base": provider.needs_api_base,
        "requires_account_id": provider.needs_account_id,
        "api_key_required": provider.needs_api_key,
        "required": list(provider.required),
        "optional": [key for key in _OPTIONAL if key not in provider.required],
        "editable_params": list(_EDITABLE),
        "default_model": provider.default_model,
        "default_api_base": provider.default_api_base,
        "default_num_retries": LITELLM_NUM_RETRIES,
        "models": [provider.default_model] if provider.default_model else [],
    }


def with_decisions(item: Mapping[str, Any], types: set[str]) -> dict[str, Any]:
    """A provider's item of the models' catalogue with `model_types`, and with its proposed decision model where the map has not got it.

    `types` are those of the models in it.
    """
    provider = DECISION_PROVIDERS.get(item["id"])
    if provider is None:
        return {**item, "model_types": sorted({*types, LLM})}
    known = {model["id"] for model in item["models"]}
    more = [] if provider.default_model in known | {""} else [_decision_model(provider.default_model)]
    own = {DECISION, LLM} if provider.is_chat_too else {DECISION}
    return {**item, "models": [*item["models"], *more], "model_types": sorted(types | own)}


def _decision_model(model_id: str) -> dict[str, Any]:
    return {
        "id": model_id,
        "label": model_id,
        "capabilities": [DECISION],
        "max_input_tokens": None,
        "max_output_tokens": None,
        "mode": DECISIONS,
    }
