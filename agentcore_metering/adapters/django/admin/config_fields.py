"""The fields of a configuration's form that may be given secrets, and how none of them shows one again."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from agentcore_metering.adapters.django.config.masking import has_mask
from agentcore_metering.adapters.django.config.source import secret_texts
from agentcore_metering.adapters.django.secretbox import has_secret, is_public
from agentcore_metering.constants import MAX_NUM_RETRIES

__all__ = ["OPTION_FIELDS", "SECRET_KEY_FIELD", "ConfigOptionsForm", "SecretField"]

SECRET_KEY_FIELD = "api_key"  # noqa: S105 - a key of the configuration, not its value
OPTION_FIELDS = (
    "model",
    "api_base",
    "api_version",
    "deployment",
    "organization",
    "temperature",
    "top_p",
    "max_tokens",
    "num_retries",
    "request_timeout_seconds",
)
"""Keys of a configuration that have a field of their own."""
AGAIN = "(enter again)"
"""Stands in a form that comes back with errors where a secret had been typed, and is refused like an empty one."""
_TAKEN = frozenset({*OPTION_FIELDS, SECRET_KEY_FIELD})


class SecretField(forms.CharField):
    """A secret: typed, never shown."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"autocomplete": "new-password", "spellcheck": "false", "class": "vTextField"}
        super().__init__(required=False, widget=forms.PasswordInput(attrs=attrs, render_value=False), **kwargs)

    def validate(self, value: Any) -> None:
        """Refuse a mask: it stands for a key and is none."""
        super().validate(value)
        if has_mask(value):
            raise ValidationError(_("This is the mask of a key. Leave it empty to keep the stored one."))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether one was typed."""
        return bool(data)


class _Masked(BoundField):
    """Shows what was typed without its secrets."""

    def value(self) -> Any:
        """For the page; what is read and checked is not this."""
        value = super().value()
        return self.field.shown(value, self.name) if self.form.is_bound else value  # type: ignore[attr-defined]


class AddressField(forms.CharField):
    """The address of a provider. One with a password in it is a secret, and is shown as a mask."""

    stored: Mapping[str, Any] = {}

    def get_bound_field(self, form: Any, field_name: str) -> BoundField:
        """Ours."""
        return _Masked(form, self, field_name)

    def shown(self, value: Any, name: str) -> Any:
        """The address that was typed, or nothing where it holds a secret."""
        return value if value == self.stored.get(name) or is_public(name, value) else ""


class OptionsField(forms.JSONField):
    """Every other key of a configuration, as a JSON object; secrets in it as masks, which stand for what is stored."""

    stored: Mapping[str, Any] = {}

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 6, "class": "vLargeTextField", "spellcheck": "false"})
        help_text = _lazy(
            "A JSON object. A value with *** in it is the mask of a stored secret and keeps it; to remove a key, delete it here."
        )
        super().__init__(required=False, initial=dict, widget=widget, help_text=help_text, **kwargs)

    def get_bound_field(self, form: Any, field_name: str) -> BoundField:
        """Ours."""
        return _Masked(form, self, field_name)

    def clean(self, value: Any) -> dict[str, Any]:
        """The object; empty where nothing was typed."""
        options = super().clean(value)
        if options in (None, ""):
            return {}
        if not isinstance(options, dict):
            raise ValidationError(_("Enter a JSON object, in braces."))
        _refuse_taken(options)
        return options

    def to_python(self, value: Any) -> Any:
        """As Django's, for what is nested too deeply too."""
        try:
            return super().to_python(value)
        except RecursionError:
            raise ValidationError(_("Enter a valid JSON."), code="invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """The text as it was sent; `shown` decides what of it comes back."""
        return data

    def prepare_value(self, value: Any) -> str:
        """On lines of its own."""
        return value if isinstance(value, str) else json.dumps(value or {}, indent=2, ensure_ascii=False)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether another object was typed; formatting does not count."""
        try:
            return bool((json.loads(data) if data else {}) != (initial or {}))
        except (ValueError, RecursionError):
            return True

    def shown(self, value: Any, name: str) -> Any:
        """What was typed, its new secrets taken out; as it was stored where it cannot be read, and so not be masked."""
        options = value
        if isinstance(value, str):
            try:
                options = json.loads(value)
            except (ValueError, RecursionError):
                options = None
        if not isinstance(options, dict):
            return self.prepare_value({key: item for key, item in self.stored.items() if key not in _TAKEN})
        return self.prepare_value({key: self._part(key, item) for key, item in options.items()})

    def _part(self, key: str, value: Any) -> Any:
        return value if is_public(key, value) else _taken_out(value, {AGAIN, *secret_texts(self.stored)})


def _taken_out(value: Any, known: Collection[str]) -> Any:
    """`value` without the secrets that were typed; the masks of stored ones, which are `known`, stay."""
    if isinstance(value, dict):
        return {key: _taken_out(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [_taken_out(item, known) for item in value]
    return value if not has_secret(value) or value in known else AGAIN


def _refuse_taken(options: Mapping[str, Any]) -> None:
    if AGAIN in json.dumps(options, ensure_ascii=False):
        raise ValidationError(_("Enter the secrets again where “%(mark)s” stands."), params={"mark": AGAIN})
    taken = sorted(_TAKEN.intersection(options))
    if taken:
        raise ValidationError(_("These have a field of their own above: %(keys)s."), params={"keys": ", ".join(taken)})


def _text(label: Any, help_text: Any, **attrs: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"class": "vTextField", **attrs})
    return forms.CharField(label=label, required=False, empty_value=None, help_text=help_text, widget=widget)


def _number(label: Any, smallest: float, largest: float) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"step": "any"})
    return forms.FloatField(label=label, required=False, min_value=smallest, max_value=largest, widget=widget)


def _whole(label: Any, smallest: int, largest: int | None, help_text: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=smallest, max_value=largest, help_text=help_text)


class ConfigOptionsForm(forms.Form):
    """The keys of a configuration; one that is left empty is not stored."""

    model = _text(_lazy("Model"), _lazy("Empty: the provider's default."), list="metering-models")
    api_base = AddressField(
        label=_lazy("Address (api_base)"),
        required=False,
        empty_value=None,
        help_text=_lazy(
            "Empty: the provider's own. When provider, address, headers or route change, the stored keys are not sent there: "
            "enter them again."
        ),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    api_key = SecretField(label=_lazy("API key"))
    clear_api_key = forms.BooleanField(label=_lazy("Remove the stored API key"), required=False)
    api_version = _text(_lazy("API version"), _lazy("For example: 2024-10-21."))
    deployment = _text(_lazy("Deployment"), _lazy("Azure's name for the model."))
    organization = _text(_lazy("Organization"), "")
    temperature = _number(_lazy("Temperature"), 0, 2)
    top_p = _number(_lazy("Top P"), 0, 1)
    max_tokens = _whole(_lazy("Longest answer (max_tokens)"), 1, None, _lazy("In tokens."))
    num_retries = _whole(_lazy("Retries (num_retries)"), 0, MAX_NUM_RETRIES, _lazy("After an error that may pass."))
    request_timeout_seconds = _whole(
        _lazy("Timeout of a request"), 1, None, _lazy("In seconds (request_timeout_seconds).")
    )
    other_options = OptionsField(label=_lazy("As JSON"))
