"""Owns the configuration row: which provider and model to call, and with which key. Which row a call takes is left to `config`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db import models, router, transaction
from django.db.models.signals import post_delete
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.conf import AUTH_USER_MODEL
from agentcore_metering.adapters.django.fields import EncryptedConfigField, UnreadableConfig, open_for, stored_form
from agentcore_metering.adapters.django.models.changes import ChangeNotingModel, note_change
from agentcore_metering.adapters.django.models.config_change import CASCADE, LLMConfigChange, changed_keys
from agentcore_metering.adapters.django.models.querysets import BOUND_COLUMNS, ConfigQuerySet
from agentcore_metering.adapters.django.secretbox import has_secret, is_public

__all__ = ["LLMConfig"]


class LLMConfig(ChangeNotingModel):
    """One configuration, of everybody or of one user.

    `config` reads as a plain dictionary with secrets in clear and is stored with them sealed for this row's uuid, scope and user. Where
    they cannot be opened it is an `UnreadableConfig`.
    """

    class Scope(models.TextChoices):
        """Whose configuration it is."""

        GLOBAL = "global", _("Global")
        USER = "user", _("User")

    MODEL_TYPE_LLM = "llm"
    MODEL_TYPE_EMBEDDING = "embedding"
    MODEL_TYPE_IMAGE_GENERATION = "image_generation"
    MODEL_TYPE_DECISION = "decision"
    MODEL_TYPES = (MODEL_TYPE_LLM, MODEL_TYPE_EMBEDDING, MODEL_TYPE_IMAGE_GENERATION, MODEL_TYPE_DECISION)

    scope = models.CharField(_("scope"), max_length=20, choices=Scope.choices, db_index=True)
    user = models.ForeignKey(
        AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="llm_configs",
        help_text=_("Whose it is; empty for a global configuration."),
    )
    model_type = models.CharField(
        _("model type"),
        max_length=30,
        default=MODEL_TYPE_LLM,
        db_index=True,
        help_text=_("llm, embedding, image_generation or decision."),
    )
    uuid = models.UUIDField(
        _("uuid"),
        default=uuid.uuid4,
        unique=True,
        db_index=True,
        editable=False,
        help_text=_("What callers and the API name it by."),
    )
    provider = models.CharField(
        _("provider"),
        max_length=50,
        default="openai",
        db_index=True,
        help_text=_("For example: openai, azure_openai, gemini."),
    )
    config = EncryptedConfigField(
        _("configuration"),
        default=dict,
        blank=True,
        help_text=_("model, api_key, api_base and so on; secrets are stored sealed."),
    )
    fallback = models.JSONField(
        _("fallback"), null=True, blank=True, default=None, help_text=_("Which configurations to try next, and when.")
    )
    is_active = models.BooleanField(_("active"), default=True, db_index=True, help_text=_("Whether calls may use it."))
    is_default = models.BooleanField(
        _("default"), default=False, db_index=True, help_text=_("The global configuration for calls that name none.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = ConfigQuerySet.as_manager()

    class Meta:
        db_table = "agentcore_metering_llm_config"
        verbose_name = _("LLM configuration")
        verbose_name_plural = _("LLM configurations")
        ordering = ["created_at", "id"]
        permissions = [("manage_config", "Can manage LLM configurations")]

    def __str__(self) -> str:
        return f"{self.scope} {self.provider} {self.uuid}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As Django's; the secrets are sealed anew whenever what they are sealed for is saved."""
        if "config" in self.get_deferred_fields():
            # Compared with the stored row, because this one's scope or user may have been changed meanwhile.
            self.config = type(self).objects.using(self._state.db).get(pk=self.pk).config
        update_fields = kwargs.get("update_fields")
        if update_fields is not None and not BOUND_COLUMNS.isdisjoint(update_fields):
            kwargs["update_fields"] = {*update_fields, "config"}
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using):
            before = type(self).objects.using(using).filter(pk=self.pk).first()
            super().save(*args, **kwargs)
            if keys := changed_keys(before, self, kwargs.get("update_fields")):
                action = LLMConfigChange.Action.CREATED if before is None else LLMConfigChange.Action.CHANGED
                LLMConfigChange.note(action, [self], keys, using)

    def clean(self) -> None:
        """For forms: no address that calls may not go to; where the place of calls changed, the secrets that were stored are left out.

        The secrets of code that calls `save()` by itself are its own affair: it has them in clear.
        """
        # Only a form needs them, and every process of a project imports its models.
        from agentcore_metering.adapters.django.outbound import refusal_of, refusal_of_text
        from agentcore_metering.adapters.django.places import place_of
        from agentcore_metering.adapters.django.translated import translated

        super().clean()
        if not isinstance(self.config, dict):
            return
        stored = type(self).objects.using(self._state.db).filter(pk=self.pk).first()
        known = dict(stored.config) if stored is not None and isinstance(stored.config, dict) else {}
        new = {key: value for key, value in self.config.items() if key not in known or known[key] != value}
        refusal = refusal_of(new)
        problem = refusal_of_text(new) or (refusal[1] if refusal is not None else None)
        if problem is not None:
            raise ValidationError(translated(problem))
        if stored is not None and place_of(stored.provider, known) != place_of(self.provider, dict(self.config)):
            self._leave_out_stored_secrets(known)

    def _leave_out_stored_secrets(self, known: dict[str, Any]) -> None:
        if isinstance(self.config, UnreadableConfig):
            raise ValidationError(
                _("The secrets of this configuration cannot be opened, so they cannot be sent elsewhere.")
            )
        self.config = {
            key: value
            for key, value in self.config.items()
            if is_public(key, value) or not has_secret(value) or known.get(key) != value
        }
        from agentcore_metering.core.providers import get_provider

        missing = [key for key in get_provider(self.provider).required if not self.config.get(key)]
        if missing:
            raise ValidationError(
                _("The provider, its address, headers or route changed, so enter these again: %(keys)s."),
                params={"keys": ", ".join(missing)},
            )

    def __getstate__(self) -> dict[str, Any]:
        """For pickle, and so for caches: the secrets are sealed there too."""
        state = super().__getstate__()
        if isinstance(state.get("config"), dict):
            state["config"] = dict(stored_form(state["config"], self))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]  # Django's class has it, its stubs do not
        if isinstance(self.__dict__.get("config"), dict):
            field = EncryptedConfigField()
            self.config = open_for(field.to_python(dict(self.__dict__["config"])), self)

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        """The loaded row, its secrets compared with it."""
        row = super().from_db(*args, **kwargs)
        _compare_binding(row)
        return row

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Self] | None = None,
    ) -> None:
        """As Django's; a deferred `config` comes this way too."""
        super().refresh_from_db(using, fields, from_queryset)
        _compare_binding(self)


def _compare_binding(row: LLMConfig) -> None:
    if all(name in row.__dict__ for name in ("config", "uuid", "scope", "user_id")):
        row.config = open_for(row.config, row)


def _note_deletion(instance: LLMConfig, using: str, origin: Any = None, **_others: Any) -> None:
    is_asked_for = isinstance(origin, LLMConfig) or getattr(origin, "model", None) is LLMConfig
    via = None if is_asked_for else CASCADE
    LLMConfigChange.note(LLMConfigChange.Action.DELETED, [instance], (), using, via)
    note_change(LLMConfig._meta.db_table, using)


# The one place that sees every deletion: what goes with its user goes past `delete()`, of the row and of the queryset.
post_delete.connect(_note_deletion, sender=LLMConfig, dispatch_uid="agentcore_metering.config_deleted")
