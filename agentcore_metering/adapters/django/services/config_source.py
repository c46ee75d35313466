"""Moved to `agentcore_metering.adapters.django.config.editing` and `.config.resolver`."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.config.editing import ConfigChange, configs, default_config_uuid, update_config
from agentcore_metering.adapters.django.config.resolver import resolve_config
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.core.errors import ConfigNotFound
from agentcore_metering.core.types import ConfigScope

__all__ = ["get_config_from_db", "get_config_list_from_db", "get_default_llm_config_uuid", "set_default_llm_config"]

_LISTED = ("id", "uuid", "scope", "user_id", "model_type", "provider", "config", "is_active", "is_default")


def get_default_llm_config_uuid() -> str | None:
    """The uuid of the configuration for calls that name none, as text; None where there is none."""
    uuid = default_config_uuid()
    return None if uuid is None else str(uuid)


def set_default_llm_config(config: LLMConfig) -> None:
    """Make it the default and no other one. Nothing happens to a user's, or to one that is for no language model."""
    if config.scope == LLMConfig.Scope.GLOBAL and config.model_type == LLMConfig.MODEL_TYPE_LLM:
        update_config(config, ConfigChange(is_default=True))
        config.refresh_from_db()


def get_config_from_db(
    user_id: Any = None, model_uuid: Any = None, strict_user_scope: bool = False
) -> dict[str, Any] | None:
    """`{"provider", "config"}` of the configuration that a call would use, secrets in clear; None where the database has none.

    Raises ValueError for a `model_uuid` that there is not.
    """
    try:
        found = resolve_config(user_id, model_uuid, strict_user_scope=strict_user_scope)
    except ConfigNotFound:
        if model_uuid:
            raise
        return None
    return None if found.scope is ConfigScope.SETTINGS else {"provider": found.provider, "config": dict(found.options)}


def get_config_list_from_db(
    scope: str, user_id: Any = None, model_type: str = LLMConfig.MODEL_TYPE_LLM
) -> list[dict[str, Any]]:
    """Configurations of a scope, active or not, in the order in which they were made; secrets in clear."""
    rows = configs().filter(scope=scope, model_type=model_type).order_by("created_at", "id")
    if scope == LLMConfig.Scope.USER:
        rows = rows.none() if user_id is None else rows.filter(user_id=user_id)
    return [{name: getattr(row, name) if name != "uuid" else str(row.uuid) for name in _LISTED} for row in rows]
