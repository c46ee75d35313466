"""Form parts that several pages share."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.admin.shapes import plain_decimal
from agentcore_metering.core.providers import PROVIDERS

__all__ = ["AnyModelForm", "PlainDecimalInput", "provider_choices"]

if TYPE_CHECKING:
    AnyModelForm = forms.ModelForm[Any]
else:
    # Django's class takes a parameter for type checkers only.
    AnyModelForm = forms.ModelForm


class PlainDecimalInput(forms.TextInput):
    """A decimal without the zeros that only fill the column."""

    def format_value(self, value: Any) -> str | None:
        """The digits that say something; what was typed in stays as it is."""
        return plain_decimal(value) if isinstance(value, Decimal) else super().format_value(value)


def provider_choices(stored: Iterable[str]) -> list[tuple[str, Any]]:
    """The listed providers by label, and those that are stored though they are not listed."""
    unlisted = sorted({name for name in stored if name and name not in PROVIDERS})
    listed = [(provider.id, provider.label) for provider in PROVIDERS.values()]
    return [*listed, *((name, _("%(name)s (LiteLLM)") % {"name": name}) for name in unlisted)]
