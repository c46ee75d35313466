"""Moved: parameters to `agentcore_metering.core.request`, tests to `.trackers.trial`, texts to `.trackers.messages`."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import get_language, gettext, override

from agentcore_metering.adapters.django.config.candidates import stored_candidate
from agentcore_metering.adapters.django.config.editing import configs
from agentcore_metering.adapters.django.config.provider_catalogue import (
    provider_catalogue as get_provider_params_schema,
)
from agentcore_metering.adapters.django.config.source import secret_values
from agentcore_metering.adapters.django.runtime import get_metering
from agentcore_metering.adapters.django.trackers.messages import MESSAGE_IDS, to_friendly
from agentcore_metering.adapters.django.trackers.trial import CALL_NODE, DecisionTrial, Trial, connection_trial
from agentcore_metering.core.errors import EmptyResponse, LLMProviderError, MeteringError, UnusableAnswer
from agentcore_metering.core.request import litellm_params
from agentcore_metering.core.request import litellm_params as build_litellm_params_from_config
from agentcore_metering.core.types import ConfigScope, ModelConfig

__all__ = [
    "VALIDATION_MESSAGE_IDS",
    "LLMProviderError",
    "build_litellm_params_from_config",
    "friendly_llm_exception",
    "get_litellm_params",
    "get_provider_params_schema",
    "get_validation_message",
    "run_test_call",
    "run_test_call_stream",
    "validate_llm_config",
]

VALIDATION_MESSAGE_IDS: dict[str, str] = {kind.value: text for kind, text in MESSAGE_IDS.items()}
"""Key of a failure -> its English text."""

NOT_FOUND = "Config not found"


def get_litellm_params(user_id: Any = None, model_uuid: Any = None, strict_user_scope: bool = False) -> dict[str, Any]:
    """LiteLLM's arguments by the configuration that a call would use, the key in clear.

    Raises:
        ConfigError (a ValueError): there is none, or it cannot be used.
    """
    found = get_metering().resolve_config(user_id, model_uuid, strict_user_scope=strict_user_scope)
    return litellm_params(found.provider, found.options)


def get_validation_message(key: str, language: str | None = None) -> str:
    """The text for a failure's key in `language`, or in the active one; a key that there is not as it is."""
    if not key:
        return key
    with override(language or get_language()):
        return gettext(VALIDATION_MESSAGE_IDS.get(key, key))


def friendly_llm_exception(exc: Exception, language: str | None = None) -> LLMProviderError | None:
    """The exception in words for an end user, or None where nothing better can be said."""
    with override(language or get_language()):
        return to_friendly(exc)


def validate_llm_config(provider: str, config: Mapping[str, Any], user: Any = None) -> tuple[bool, str]:
    """`(True, "")` when a short call by this configuration is answered, else `(False, key or text)`. Leaves a row."""
    options = dict(config)
    candidate = ModelConfig(provider.strip().lower(), options, ConfigScope.GLOBAL, None, secret_values(options))
    trial = connection_trial(candidate, getattr(user, "pk", None))
    try:
        trial.run()
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is the answer
        return False, _told(trial, exc)
    return True, ""


def run_test_call(
    config_uuid: Any,
    config_id: int | None,
    prompt: str,
    user: Any,
    max_tokens: int = 512,
    *,
    node_name: str = CALL_NODE,
) -> tuple[bool, str, dict[str, Any] | None]:
    """`(True, text, usage)` of one prompt to a stored configuration, else `(False, key or text, None)`."""
    if not prompt.strip():
        return False, "Prompt cannot be empty", None
    trial = _stored_trial(config_uuid, config_id, prompt, user, max_tokens, node_name)
    if trial is None:
        return False, NOT_FOUND, None
    try:
        text, usage = trial.run()
    except Exception as exc:  # noqa: BLE001 - whatever it is, it is the answer
        return False, _told(trial, exc), None
    return True, text, usage


def run_test_call_stream(
    config_uuid: Any,
    config_id: int | None,
    prompt: str,
    user: Any,
    max_tokens: int = 512,
    *,
    node_name: str = CALL_NODE,
) -> Generator[str, None, dict[str, Any] | None]:
    """The same as a stream of texts, whose return value is the usage; None where there is no such configuration. Raises as it fails."""
    trial = _stored_trial(config_uuid, config_id, prompt, user, max_tokens, node_name) if prompt.strip() else None
    if trial is None:
        return None
    stream = trial.stream()
    try:
        while True:
            kind, text = next(stream)
            if kind == "content":
                yield text
    except StopIteration as end:
        return {key: value for key, value in end.value.items() if not key.startswith("_")}
    finally:
        stream.close()


def _stored_trial(
    config_uuid: Any, config_id: int | None, prompt: str, user: Any, max_tokens: int, node_name: str
) -> Trial | None:
    try:
        uuid = UUID(str(config_uuid)) if config_uuid else None
    except ValueError:
        return None
    found = stored_candidate(configs(), uuid, config_id)
    return None if found is None else Trial(found, prompt, max_tokens, node_name, getattr(user, "pk", None))


def _told(trial: Trial | DecisionTrial, exc: Exception) -> str:
    verdict = trial.explain(exc)
    is_text = isinstance(exc, EmptyResponse) or (isinstance(exc, MeteringError) and not isinstance(exc, UnusableAnswer))
    return verdict.text if is_text else verdict.error_key
