"""The form of a configuration. What is typed becomes a `ConfigChange`; how secrets are kept, replaced and dropped is `config.editing`'s.

No stored secret is in the form, and none that was typed comes back with an error: it has to be typed again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.admin.config_fields import OPTION_FIELDS, SECRET_KEY_FIELD, ConfigOptionsForm
from agentcore_metering.adapters.django.admin.texts import MODEL_TYPES
from agentcore_metering.adapters.django.admin.widgets import AnyModelForm, provider_choices
from agentcore_metering.adapters.django.config.editing import ConfigChange, merged_options
from agentcore_metering.adapters.django.config.masking import masked
from agentcore_metering.adapters.django.config.provider_catalogue import provider_catalogue
from agentcore_metering.adapters.django.config.refusals import log_refusal
from agentcore_metering.adapters.django.fields import UnreadableConfig
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.secretbox import is_public
from agentcore_metering.adapters.django.translated import translated
from agentcore_metering.core.errors import InvalidField
from agentcore_metering.core.providers import get_provider
from agentcore_metering.core.texts import Text

__all__ = ["ConfigForm"]

OTHER = "other"
OTHER_OPTIONS = "other_options"
MAX_PROVIDER_LENGTH = 50
_KEY_UNREADABLE = gettext_lazy("The stored key cannot be opened: enter it again.")
_KEY_DROPPED = gettext_lazy(
    "The provider, its address, headers or route changed, so the stored key is not sent there: enter it again."
)


class ConfigForm(AnyModelForm, ConfigOptionsForm):
    """One configuration. Scope and owner can be chosen for a new one only: its secrets are sealed for them."""

    provider = forms.ChoiceField(label=gettext_lazy("Provider"))
    other_provider = forms.CharField(
        label=gettext_lazy("Other provider"),
        required=False,
        max_length=MAX_PROVIDER_LENGTH,
        help_text=gettext_lazy("LiteLLM's name of a provider that is not listed, for example: groq."),
    )
    model_type = forms.ChoiceField(
        label=gettext_lazy("Model type"), choices=list(MODEL_TYPES.items()), initial=LLMConfig.MODEL_TYPE_LLM
    )
    is_active = forms.BooleanField(
        label=gettext_lazy("Active"), required=False, initial=True, help_text=gettext_lazy("Whether calls may use it.")
    )
    is_default = forms.BooleanField(
        label=gettext_lazy("Default"),
        required=False,
        help_text=gettext_lazy(
            "Calls that name no configuration, of users without one of their own, get it. Takes the mark from the one that had it."
        ),
    )

    class Meta:
        model = LLMConfig
        fields = ("scope", "user")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored: Mapping[str, Any] = self.instance.config if isinstance(self.instance.config, dict) else {}
        self.is_new = self.instance.pk is None
        shown = masked(self.stored)
        self.initial = {**self._initial(shown), **self.initial}
        self._fill_choices()
        self.fields["api_key"].help_text = _key_help(self.stored, shown)
        for name in ("api_base", OTHER_OPTIONS):
            if name in self.fields:
                # Django copies the fields for each form, so this is shared with none.
                self.fields[name].stored = shown  # type: ignore[attr-defined]  # ours, see config_fields

    @property
    def unreadable_reason(self) -> Text | None:
        """Why the stored secrets cannot be opened; None where they can."""
        return self.stored.reason if isinstance(self.stored, UnreadableConfig) else None

    def clean(self) -> dict[str, Any]:
        """Checked as the API would check it, each error beside its field."""
        cleaned = super().clean() or {}
        provider = self._provider(cleaned)
        self._check_owner(cleaned)
        if cleaned.get("api_key") and cleaned.get("clear_api_key"):
            self.add_error("clear_api_key", _("Either enter a key or have it removed."))
        if self.errors or provider is None:
            return cleaned
        sent = self._options(cleaned)
        try:
            merged = merged_options(self._stored_provider(provider), self.instance.config, provider, sent)
            LLMConfig._meta.get_field("config").clean(merged, self.instance)
        except InvalidField as error:
            self._add_option_error(error)
        except ValidationError as error:
            self.add_error(OTHER_OPTIONS, error)
        else:
            self._check_complete(provider, merged)
        self.change = ConfigChange(provider, sent, cleaned["model_type"], cleaned["is_active"], cleaned["is_default"])
        return cleaned

    def _initial(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        if self.is_new:
            return {"scope": LLMConfig.Scope.GLOBAL, "provider": LLMConfig._meta.get_field("provider").default}
        row = self.instance
        others = {key: value for key, value in shown.items() if key not in OPTION_FIELDS and key != SECRET_KEY_FIELD}
        return {
            "provider": row.provider,
            "model_type": row.model_type,
            "is_active": row.is_active,
            "is_default": row.is_default,
            **{key: shown[key] for key in OPTION_FIELDS if key in shown},
            "other_options": others,
        }

    def _fill_choices(self) -> None:
        field: Any = self.fields["provider"]
        field.choices = [*provider_choices([] if self.is_new else [self.instance.provider]), (OTHER, _("Other…"))]
        if self.is_new:
            # Nothing is stored that could be removed.
            self.fields["clear_api_key"].widget = forms.HiddenInput()
        field.widget.attrs["data-metering-providers"] = json.dumps(provider_catalogue())

    def _provider(self, cleaned: Mapping[str, Any]) -> str | None:
        chosen: str | None = cleaned.get("provider")
        if chosen != OTHER:
            return chosen
        name = str(cleaned.get("other_provider") or "").strip().lower()
        if not name:
            self.add_error("other_provider", _("Enter LiteLLM's name of the provider."))
        return name or None

    def _stored_provider(self, provider: str) -> str:
        return provider if self.is_new else self.instance.provider

    def _check_owner(self, cleaned: Mapping[str, Any]) -> None:
        if not self.is_new or "scope" not in cleaned or "user" not in cleaned:
            return
        is_of_user = cleaned["scope"] == LLMConfig.Scope.USER
        if is_of_user and cleaned["user"] is None:
            self.add_error("user", _("Choose whose configuration it is."))
        elif not is_of_user and cleaned["user"] is not None:
            self.add_error("user", _("A global configuration belongs to nobody: leave this empty."))
        if is_of_user and cleaned.get("is_default"):
            self.add_error("is_default", _("Only a global configuration can be the default."))

    def _options(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        """What changes the stored options: None removes a key, and an absent one stays."""
        others: Mapping[str, Any] = cleaned[OTHER_OPTIONS]
        gone = [key for key in self.stored if key not in others and key not in (*OPTION_FIELDS, SECRET_KEY_FIELD)]
        sent = {**dict.fromkeys(gone), **others, **{key: cleaned[key] for key in OPTION_FIELDS}}
        if cleaned["api_key"]:
            sent[SECRET_KEY_FIELD] = cleaned["api_key"]
        elif cleaned["clear_api_key"]:
            sent[SECRET_KEY_FIELD] = None
        return sent

    def _check_complete(self, provider: str, merged: Mapping[str, Any]) -> None:
        """Calls would fail without these. The API lets one save a configuration before it is complete; here somebody looks at it."""
        for key in get_provider(provider).required:
            is_taken_away = key == SECRET_KEY_FIELD and self.cleaned_data["clear_api_key"]
            if not merged.get(key) and not is_taken_away:
                self.add_error(key, _("%(provider)s needs this.") % {"provider": get_provider(provider).label})

    def _add_option_error(self, error: InvalidField) -> None:
        log_refusal(None if self.is_new else self.instance.uuid, error.field)
        key = error.field.removeprefix("config.").partition(".")[0]
        if key == SECRET_KEY_FIELD:
            self.add_error(key, _KEY_DROPPED if self.unreadable_reason is None else _KEY_UNREADABLE)
        else:
            self.add_error(key if key in self.fields else OTHER_OPTIONS, translated(error))


def _key_help(stored: Mapping[str, Any], shown: Mapping[str, Any]) -> str:
    if isinstance(stored, UnreadableConfig):
        return str(_KEY_UNREADABLE)
    mask = shown.get(SECRET_KEY_FIELD)
    if not mask or is_public(SECRET_KEY_FIELD, mask):
        return _("None is stored.")
    end = str(mask).lstrip("*")
    if end:
        return _("One is stored; it ends with %(end)s. Leave this empty to keep it.") % {"end": end}
    return _("One is stored. Leave this empty to keep it.")
