"""The form of an operator's price. What a saved price does to the one that it replaces is left to `prices`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _

from agentcore_metering.adapters.django.admin.widgets import AnyModelForm
from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.models import LLMPrice

__all__ = ["COPIED", "PriceForm"]

COPIED = tuple(
    field.name
    for field in LLMPrice._meta.concrete_fields
    if field.name not in ("id", "valid_from", "valid_to", "created_at", "updated_at")
)


class PriceForm(AnyModelForm):
    """A price; with `replaces` it takes the place of another one, which ends when this one begins."""

    replaces = forms.ModelChoiceField(LLMPrice.objects.none(), required=False, widget=forms.HiddenInput)

    class Meta:
        model = LLMPrice
        fields = (*COPIED, "valid_from", "valid_to")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["replaces"].queryset = LLMPrice.objects.using(metering_settings.DATABASE_ALIAS)  # type: ignore[attr-defined]  # it is a ModelChoiceField
        if "provider" in self.fields:
            self.fields["provider"].widget.attrs["list"] = "metering-providers"

    def clean(self) -> dict[str, Any]:
        """With a currency in capitals; a successor begins after the price that it replaces, which must still be open then."""
        cleaned = super().clean() or {}
        old, start = cleaned.get("replaces"), cleaned.get("valid_from")
        if old is None:
            return cleaned
        if start is None or (old.valid_from is not None and start <= old.valid_from):
            self.add_error("valid_from", _("The new price must begin later than the one that it replaces."))
        elif old.valid_to is not None and old.valid_to < start:
            self.add_error("valid_from", _("The price to replace has ended before: enter a new price instead."))
        return cleaned

    def clean_currency(self) -> str:
        """In capitals, however it was typed."""
        return str(self.cleaned_data["currency"]).upper()
