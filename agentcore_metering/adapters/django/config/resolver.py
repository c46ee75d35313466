"""Which configuration a call uses: the named one, else the user's, else the global default, else Django settings."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.config import source
from agentcore_metering.core.errors import ConfigNotFound
from agentcore_metering.core.types import ModelConfig

__all__ = ["resolve_config"]

LLM = "llm"

HOW_TO_ADD = (
    "Add one: as a user's or the global config by the API (POST llm-config/) or the Django admin (LLM configs), or in settings: "
    'AGENTCORE_METERING_LLM = {"provider": "openai", "config": {"model": "gpt-4o-mini", "api_key": "..."}}'
)

HOW_TO_ADD_TYPE = (
    "Add one with model_type {!r} by the API (POST llm-config/) or the Django admin (LLM configs), or name the model in the call "
    "(model=...): it then takes provider and key of the LLM config."
)


def resolve_config(
    user_id: Any = None, model_uuid: Any = None, *, strict_user_scope: bool = False, model_type: str = "llm"
) -> ModelConfig:
    """The configuration for a call.

    A named configuration (`model_uuid`) is that one or nothing, and must be global or the user's own. With `strict_user_scope` a call
    that has a user takes his configuration or none.

    Raises:
        ConfigNotFound: there is none; the message names the places that were looked at and how to add one.
        ConfigError: the one found cannot be used.
    """
    if model_uuid:
        return _named(model_uuid, model_type, user_id)
    has_user = user_id is not None
    config = source.user_config(user_id, model_type) if has_user else None
    if config is None and not (strict_user_scope and has_user):
        config = source.global_config(model_type)
        if config is None and model_type == LLM:
            # The settings name a model for chat: a vector or an image cannot be had of it.
            config = source.from_settings()
    if config is None:
        is_strict = strict_user_scope and has_user
        raise ConfigNotFound(_nothing_found(user_id, model_type, is_strict=is_strict))
    return config


def _named(model_uuid: Any, model_type: str, user_id: Any) -> ModelConfig:
    config = source.stored_config(model_uuid, model_type, user_id)
    if config is None:
        raise ConfigNotFound(
            f"LLM config for model_uuid {str(model_uuid)!r} not found: there is no active config with this uuid and model type "
            f"{model_type!r} that the caller may use. List them by the API (GET llm-config/all/) or leave model_uuid out."
        )
    return config


def _nothing_found(user_id: Any, model_type: str, *, is_strict: bool) -> str:
    name = "LLM" if model_type == LLM else model_type
    user = (
        f"the configs of user {user_id}" if user_id is not None else "no user's configs, since the call names no user"
    )
    how_to_add = HOW_TO_ADD if model_type == LLM else HOW_TO_ADD_TYPE.format(model_type)
    if is_strict:
        return f"No {name} config found in DB. Looked at {user} only (strict_user_scope). {how_to_add}"
    if model_type != LLM:
        return f"No {name} config found in DB. Looked at (1) {user}, (2) the global configs. {how_to_add}"
    return (
        f"No {name} config found in DB or settings. Looked at (1) {user}, (2) the global configs, (3) Django settings "
        f"(AGENTCORE_METERING_LLM, or LLM_PROVIDER with <PROVIDER>_CONFIG). {how_to_add}"
    )
