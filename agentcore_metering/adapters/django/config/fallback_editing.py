"""Writing a fallback policy, and what an admin is shown of one: what is in force, what could be chosen, how all of it stands.

The list of a policy is flat: the policies of the configurations in it play no part, so two may well name each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config import health
from agentcore_metering.adapters.django.config.editing import configs
from agentcore_metering.adapters.django.config.fallback import DEFAULT_POLICY, FallbackPolicy, parse_fallback
from agentcore_metering.adapters.django.config.refusals import refusals_logged
from agentcore_metering.adapters.django.fields import UnreadableConfig
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.core.errors import InvalidField

__all__ = ["fallback_view", "reset_fallback", "save_fallback"]

_PLACE = ("model", "api_base", "api_key", "api_version", "deployment")


def save_fallback(row: LLMConfig, value: Any) -> LLMConfig:
    """The configuration with this policy; None takes it away.

    Raises:
        InvalidField: the policy is none, or names what this configuration cannot go on with.
        LLMConfig.DoesNotExist: it was deleted meanwhile.
    """
    with refusals_logged(row.uuid):
        return _save(row, parse_fallback(value))


def reset_fallback(row: LLMConfig) -> None:
    """Take the configuration and those of its policy back into use."""
    _policy, _origin, backups = _in_force(row)
    for one in (row, *backups):
        health.forget(one.uuid)


def fallback_view(row: LLMConfig) -> dict[str, Any]:
    """The policy as it is stored and as it is in force, with what could be chosen. No secret is in it."""
    policy, origin, backups = _in_force(row)
    source = _global_default(row)
    inherited = None if source is None else _stored(source)
    return {
        "fallback": row.fallback,
        "defaults": DEFAULT_POLICY.as_json(),
        "effective_policy": None if policy is None else policy.as_json(),
        "inherited_from": None if origin is None or origin.pk == row.pk else str(origin.uuid),
        "backups": [_brief(backup) for backup in backups],
        "candidates": [
            {**_brief(one), "scope": one.scope, "fallback": one.fallback}
            for one in _peers(row)
            if one.is_active and not _is_same_place(row, one)
        ],
        "inheritance": {
            "available": inherited is not None and bool(inherited.model_uuids),
            "source_uuid": None if source is None else str(source.uuid),
            "policy": None if inherited is None else inherited.as_json(),
        },
        "health": []
        if policy is None
        else [{"uuid": str(one.uuid), **health.read_state(one.uuid).as_json()} for one in (row, *backups)],
    }


def _save(row: LLMConfig, policy: FallbackPolicy | None) -> LLMConfig:
    alias = metering_settings.DATABASE_ALIAS
    with transaction.atomic(using=alias):
        current: LLMConfig = configs().select_for_update().get(pk=row.pk)
        if policy is not None:
            _require_sensible(current, policy)
        current.fallback = None if policy is None else policy.as_json()
        current.save(using=alias, update_fields=["fallback", "updated_at"])
    return current


def _require_sensible(row: LLMConfig, policy: FallbackPolicy) -> None:
    if row.model_type != LLMConfig.MODEL_TYPE_LLM:
        message = "A configuration of type %(type)s has no fallback; only llm ones have."
        raise InvalidField("fallback", message, {"type": row.model_type})
    if policy.inherit_global and row.scope != LLMConfig.Scope.USER:
        raise InvalidField("fallback.inherit_global", "Only a user's configuration can inherit the global policy.")
    peers = {str(one.uuid): one for one in _peers(row)}
    for uuid in policy.model_uuids:
        backup = peers.get(uuid)
        if backup is None or not backup.is_active:
            message = "%(uuid)s is no other active llm configuration of the same scope and owner."
            raise InvalidField("fallback.model_uuids", message, {"uuid": uuid})
        if _is_same_place(row, backup):
            message = "%(uuid)s has the same model, address and key: it would fail in the same way."
            raise InvalidField("fallback.model_uuids", message, {"uuid": uuid})


def _in_force(row: LLMConfig) -> tuple[FallbackPolicy | None, LLMConfig | None, list[LLMConfig]]:
    policy, origin = _stored(row), row
    if policy is not None and policy.inherit_global:
        source = _global_default(row)
        if source is None:
            return None, None, []
        policy, origin = _stored(source), source
    if policy is None or not policy.model_uuids:
        return None, origin, []
    return policy, origin, _in_order(policy.model_uuids, _peers(origin), lambda one: one.is_active and one.pk != row.pk)


def _in_order(
    uuids: Iterable[str], rows: Iterable[LLMConfig], is_wanted: Callable[[LLMConfig], bool]
) -> list[LLMConfig]:
    found = {str(one.uuid): one for one in rows if is_wanted(one)}
    return [found[uuid] for uuid in uuids if uuid in found]


def _stored(row: LLMConfig) -> FallbackPolicy | None:
    """The policy as it can be read: one that somebody wrote past the API, and that is none, counts for nothing."""
    try:
        return parse_fallback(row.fallback)
    except InvalidField:
        return None


def _peers(row: LLMConfig) -> QuerySet[LLMConfig]:
    owner: Any = row.user  # None is a lookup of its own, which the stubs do not know
    rows = configs().filter(scope=row.scope, user=owner, model_type=LLMConfig.MODEL_TYPE_LLM)
    return rows.exclude(pk=row.pk).order_by("created_at", "id")


def _global_default(row: LLMConfig) -> LLMConfig | None:
    return configs().defaults(row.model_type).first()


def _brief(row: LLMConfig) -> dict[str, Any]:
    return {
        "uuid": str(row.uuid),
        "provider": row.provider,
        "model_type": row.model_type,
        "model": row.config.get("model") if isinstance(row.config, dict) else None,
    }


def _is_same_place(row: LLMConfig, other: LLMConfig) -> bool:
    return _place(row) == _place(other)


def _place(row: LLMConfig) -> tuple[Any, ...]:
    # By dict's own means, as secrets that cannot be opened are asked for too; their sealed text stands for them.
    options = dict(row.config) if isinstance(row.config, dict) else {}
    sealed = row.config.sealed if isinstance(row.config, UnreadableConfig) else None
    return (row.provider, sealed, *(str(options.get(key) or "").strip().rstrip("/") for key in _PLACE))
