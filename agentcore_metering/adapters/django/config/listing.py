"""Which configurations a list shows, by its query string."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from agentcore_metering.adapters.django.config.editing import configs
from agentcore_metering.adapters.django.config.users import parse_user_pk
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.core.errors import InvalidField

__all__ = ["ALL_MODEL_TYPES", "list_configs", "list_user_configs", "of_model_type", "own_configs"]

ALL_MODEL_TYPES = "all"


def list_configs(params: Mapping[str, str]) -> QuerySet[LLMConfig]:
    """By `scope` (`global`, `user`; any other value is every scope), `model_type`, and with scope user by `user_id`.

    Raises:
        InvalidField: `model_type` or `user_id` is not what it should be.
    """
    scope = params.get("scope", "")
    if scope == LLMConfig.Scope.USER:
        return of_model_type(list_user_configs(params), params)
    rows = of_model_type(configs(), params).select_related("user").order_by("scope", "created_at", "id")
    return rows.filter(scope=scope) if scope == LLMConfig.Scope.GLOBAL else rows


def list_user_configs(params: Mapping[str, str]) -> QuerySet[LLMConfig]:
    """Configurations that belong to users, or to the user `user_id`.

    Raises:
        InvalidField: `user_id` cannot be a user's key.
    """
    rows = configs().filter(scope=LLMConfig.Scope.USER).select_related("user").order_by("created_at", "id")
    user_id = str(params.get("user_id") or "").strip()
    return rows.filter(user_id=parse_user_pk(user_id)) if user_id else rows


def own_configs(user: Any) -> QuerySet[LLMConfig]:
    """What this user may change and test: his own, and for staff also everybody's."""
    is_own = Q(scope=LLMConfig.Scope.USER, user=user)
    return configs().filter(is_own | Q(scope=LLMConfig.Scope.GLOBAL) if user.is_staff else is_own)


def of_model_type(rows: QuerySet[LLMConfig], params: Mapping[str, str]) -> QuerySet[LLMConfig]:
    """Those of one `model_type`, of language models when there is no such parameter, or of `all`.

    Raises:
        InvalidField: there is no such model type.
    """
    model_type = params.get("model_type") or LLMConfig.MODEL_TYPE_LLM
    if model_type == ALL_MODEL_TYPES:
        return rows
    if model_type not in LLMConfig.MODEL_TYPES:
        known = ", ".join((*LLMConfig.MODEL_TYPES, ALL_MODEL_TYPES))
        params = {"value": model_type[:64], "known": known}
        raise InvalidField("model_type", "%(value)r is no model type. Use one of: %(known)s.", params)
    return rows.filter(model_type=model_type)
