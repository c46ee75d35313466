"""Which configuration a call uses: the named one, else the user's, else the global default, else Django settings."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.config import source
from agentcore_metering.core.errors import ConfigNotFound
from agentcore_metering.core.texts import Text
from agentcore_metering.core.types import ModelConfig

__all__ = ["resolve_config"]

LLM = "llm"

EXAMPLE = 'AGENTCORE_METERING_LLM = {"provider": "openai", "config": {"model": "gpt-4o-mini", "api_key": "..."}}'
HOW_TO_ADD = Text(
    "Add one: as a user's or the global config by the API (POST llm-config/) or the Django admin (LLM configs), or in settings: %(example)s",
    {"example": EXAMPLE},
)
HOW_TO_ADD_TYPE = (
    "Add one with model_type %(type)r by the API (POST llm-config/) or the Django admin (LLM configs), or name the model in the call "
    "(model=...): it then takes provider and key of the LLM config."
)

NOTHING_OF_THE_USER = "No %(name)s config found in DB. Looked at %(user)s only (strict_user_scope). %(how_to_add)s"
NOTHING_STORED = "No %(name)s config found in DB. Looked at (1) %(user)s, (2) the global configs. %(how_to_add)s"
NOTHING_AT_ALL = (
    "No %(name)s config found in DB or settings. Looked at (1) %(user)s, (2) the global configs, (3) Django settings "
    "(AGENTCORE_METERING_LLM, or LLM_PROVIDER with <PROVIDER>_CONFIG). %(how_to_add)s"
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
            Text(
                "LLM config for model_uuid %(uuid)r not found: there is no active config with this uuid and model type %(type)r that "
                "the caller may use. List them by the API (GET llm-config/all/) or leave model_uuid out.",
                {"uuid": str(model_uuid), "type": model_type},
            )
        )
    return config


def _nothing_found(user_id: Any, model_type: str, *, is_strict: bool) -> Text:
    is_llm = model_type == LLM
    values: dict[str, object] = {
        "name": "LLM" if is_llm else model_type,
        "user": Text("no user's configs, since the call names no user")
        if user_id is None
        else Text("the configs of user %(user)s", {"user": user_id}),
        "how_to_add": HOW_TO_ADD if is_llm else Text(HOW_TO_ADD_TYPE, {"type": model_type}),
    }
    if is_strict:
        return Text(NOTHING_OF_THE_USER, values)
    return Text(NOTHING_AT_ALL if is_llm else NOTHING_STORED, values)
