"""Configurations where they are stored -> `ModelConfig`. In which order the places count is `resolver`'s."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from agentcore_metering.adapters.django.conf import legacy_llm_settings, metering_settings
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.secretbox import split_secrets
from agentcore_metering.core.types import ConfigScope, ModelConfig

__all__ = [
    "config_of",
    "from_settings",
    "global_config",
    "secret_texts",
    "secret_values",
    "stored_config",
    "user_config",
]

logger = logging.getLogger(__name__)


def stored_config(model_uuid: Any, model_type: str, user_id: Any) -> ModelConfig | None:
    """The active configuration with this uuid, global or the user's own; None when there is none that he may use.

    Without a `user_id` the caller is trusted to know whose configuration it names.
    """
    try:
        uuid = model_uuid if isinstance(model_uuid, UUID) else UUID(str(model_uuid))
    except ValueError:
        return None
    row = _active(model_type).filter(uuid=uuid).first()
    if row is None:
        return None
    if row.scope == LLMConfig.Scope.USER and user_id is not None and row.user_id != _user_pk(user_id):
        logger.warning("Config %s belongs to another user than %s: refused", uuid, user_id)
        return None
    return config_of(row)


def user_config(user_id: Any, model_type: str) -> ModelConfig | None:
    """The user's first active configuration, or None."""
    pk = _user_pk(user_id)
    if pk is None:
        return None
    rows = _active(model_type).filter(scope=LLMConfig.Scope.USER, user_id=pk).order_by("created_at", "id")
    return _to_config(rows.first())


def global_config(model_type: str) -> ModelConfig | None:
    """The default among the active global configurations, or None."""
    return _to_config(LLMConfig.objects.using(metering_settings.DATABASE_ALIAS).defaults(model_type).first())


def from_settings() -> ModelConfig | None:
    """The configuration in Django settings: `AGENTCORE_METERING_LLM`, else the older names; None when there is neither."""
    found = metering_settings.LLM or legacy_llm_settings()
    if found is None:
        return None
    options = found["config"]
    return ModelConfig(found["provider"].strip().lower(), options, ConfigScope.SETTINGS, secrets=secret_values(options))


def secret_values(options: dict[str, Any]) -> tuple[str, ...]:
    """Every text among the secret parts of a configuration, at any depth."""
    return secret_texts(split_secrets(options)[1])


def secret_texts(secrets: Any) -> tuple[str, ...]:
    """Every text in the secret part of a configuration: what must not appear in any other text."""
    return tuple(_texts(secrets))


def _active(model_type: str) -> QuerySet[LLMConfig]:
    return LLMConfig.objects.using(metering_settings.DATABASE_ALIAS).filter(is_active=True, model_type=model_type)


def config_of(row: LLMConfig) -> ModelConfig:
    """The row as a call takes it."""
    options = row.config
    scope = ConfigScope.USER if row.scope == LLMConfig.Scope.USER else ConfigScope.GLOBAL
    return ModelConfig(row.provider, options, scope, row.uuid, secret_values(options), row.fallback)


def _to_config(row: LLMConfig | None) -> ModelConfig | None:
    return None if row is None else config_of(row)


def _user_pk(user_id: Any) -> Any:
    """`user_id` as the user model's key type, or None for something that is no such key."""
    try:
        return LLMConfig._meta.get_field("user").target_field.to_python(user_id)
    except ValidationError:
        return None


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _texts(item)]
    return []
