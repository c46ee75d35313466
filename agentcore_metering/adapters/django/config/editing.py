"""Writing configurations: the merge of what came in with what is stored, and the switch of the default.

A stored secret belongs to the place that it is sent to. When a configuration's provider, address, headers or route change, its stored
secrets are dropped, so that nobody can have them sent elsewhere without knowing them. How secrets are shown is left to `masking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.catalogue import model_type_of
from agentcore_metering.adapters.django.config.health import forget
from agentcore_metering.adapters.django.config.masking import has_mask, unmasked
from agentcore_metering.adapters.django.config.refusals import refusals_logged
from agentcore_metering.adapters.django.config.shape import require_sound
from agentcore_metering.adapters.django.fields import UnreadableConfig
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.models.querysets import ConfigQuerySet
from agentcore_metering.adapters.django.places import place_of
from agentcore_metering.adapters.django.secretbox import has_secret, is_public
from agentcore_metering.core.errors import InvalidField
from agentcore_metering.core.providers import get_provider

__all__ = ["ConfigChange", "configs", "create_config", "default_config_uuid", "merged_options", "update_config"]


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """What shall be written; None leaves a part as it is, and for a new row means its default."""

    provider: str | None = None
    options: Mapping[str, Any] | None = None
    """Merged over the stored options; a null deletes its key, a mask keeps the stored secret."""
    model_type: str | None = None
    """None: what the catalogue says that the model is for, where a model is written."""
    is_active: bool | None = None
    is_default: bool | None = None
    """Has a meaning for global configurations only."""


def configs() -> ConfigQuerySet:
    """Every configuration, where the tracker looks for them."""
    return LLMConfig.objects.using(metering_settings.DATABASE_ALIAS)


def default_config_uuid() -> UUID | None:
    """The configuration that a call gets which names none and whose user has none: what `is_default` shows. One query."""
    return configs().defaults(LLMConfig.MODEL_TYPE_LLM).values_list("uuid", flat=True).first()


def create_config(change: ConfigChange, user: Any = None) -> LLMConfig:
    """A new configuration, of `user` or global.

    Raises:
        InvalidField: the options cannot be stored, or hold a mask instead of a secret.
    """
    scope = LLMConfig.Scope.GLOBAL if user is None else LLMConfig.Scope.USER
    with refusals_logged(None):
        return _write(LLMConfig(scope=scope, user=user), change, is_new=True)


def update_config(row: LLMConfig, change: ConfigChange) -> LLMConfig:
    """The configuration, changed. The row is locked and read anew first.

    Raises:
        InvalidField: the options cannot be stored, or the change drops a secret that the provider requires.
        LLMConfig.DoesNotExist: it was deleted meanwhile.
    """
    with refusals_logged(row.uuid), transaction.atomic(using=metering_settings.DATABASE_ALIAS):
        if change.is_default:
            _lock_defaults()
        changed = _write(configs().select_for_update().get(pk=row.pk), change)
    # What put it out of use may be what was mended.
    forget(changed.uuid)
    return changed


def _write(row: LLMConfig, change: ConfigChange, *, is_new: bool = False) -> LLMConfig:
    provider = row.provider if change.provider is None else change.provider
    if change.options is not None or provider != row.provider:
        row.config = merged_options(row.provider, row.config, provider, change.options or {})
        _require_storable(row)
        if change.model_type is None and (is_new or "model" in (change.options or {})):
            row.model_type = model_type_of(provider, row.config.get("model"))
    row.provider = provider
    for name in ("model_type", "is_active"):
        value = getattr(change, name)
        if value is not None:
            setattr(row, name, value)
    if change.is_default is not None:
        row.is_default = change.is_default and row.scope == LLMConfig.Scope.GLOBAL
    alias = metering_settings.DATABASE_ALIAS
    with transaction.atomic(using=alias):
        if row.is_default and change.is_default:
            _clear_other_defaults(row)
        row.save(using=alias)
    return row


def _clear_other_defaults(row: LLMConfig) -> None:
    _lock_defaults()
    others = configs().filter(scope=LLMConfig.Scope.GLOBAL, model_type=row.model_type).exclude(pk=row.pk)
    others.filter(is_default=True).update(is_default=False, updated_at=timezone.now())


def _lock_defaults() -> None:
    """Make a second switch of the default wait, and then see, and clear, that of the first.

    Taken before any other lock, and always in the same order, so that two switches never wait for each other.
    """
    rows = configs().select_for_update().filter(scope=LLMConfig.Scope.GLOBAL).order_by("pk")
    list(rows.values_list("pk", flat=True))


def merged_options(old_provider: str, stored: Any, new_provider: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    """The options to store: `sent` over `stored`, masks resolved, and stored secrets left out where they would go elsewhere.

    Raises:
        InvalidField: a mask has nothing to stand for, a value has the wrong type, or a required secret would be dropped.
    """
    known = dict(stored) if isinstance(stored, dict) else {}
    merged = _merge(known, sent)
    require_sound(merged, known)
    if isinstance(stored, UnreadableConfig):
        _require_new_secrets(new_provider, merged, stored)
    elif place_of(old_provider, known) != place_of(new_provider, merged):
        return _without_stored_secrets(new_provider, sent, merged)
    return merged


def _merge(known: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(known)
    for key, value in sent.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = unmasked(key, value, known.get(key))
    return merged


def _require_new_secrets(provider: str, merged: Mapping[str, Any], stored: UnreadableConfig) -> None:
    for key in get_provider(provider).required:
        if key not in merged:
            raise InvalidField(
                f"config.{key}", "Enter %(key)s again: %(reason)s.", {"key": key, "reason": stored.reason}
            )


def _without_stored_secrets(provider: str, sent: Mapping[str, Any], merged: Mapping[str, Any]) -> dict[str, Any]:
    required = get_provider(provider).required
    kept: dict[str, Any] = {}
    for key, value in merged.items():
        is_new = key in sent and not (has_mask(sent[key]) and not is_public(key, value))
        if is_new or is_public(key, value) or not has_secret(value):
            kept[key] = value
        elif key in required or key in sent:
            raise InvalidField(
                f"config.{key}",
                "The provider, its address, headers or route changed, so the stored %(key)s is not sent there; enter %(key)s again.",
                {"key": key},
            )
    return kept


def _require_storable(row: LLMConfig) -> None:
    try:
        LLMConfig._meta.get_field("config").clean(row.config, row)
    except ValidationError as error:
        raise InvalidField("config", " ".join(error.messages)) from None
