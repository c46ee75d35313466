"""Owns an operator's prices. Which one holds for a call, and against LiteLLM's own, is left to the price source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.fields import ExactDecimalField
from agentcore_metering.adapters.django.models.changes import ChangeNotingModel
from agentcore_metering.adapters.django.models.querysets import NotingQuerySet
from agentcore_metering.constants import DEFAULT_COST_CURRENCY

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

__all__ = ["LLMPrice"]

PRICE_FIELDS = ("input_per_1m", "output_per_1m", "cache_read_per_1m", "cache_write_per_1m", "reasoning_per_1m")


class LLMPrice(ChangeNotingModel):
    """Unit prices of the models that a pattern matches, for a time. Prices are for 1,000,000 tokens."""

    provider = models.CharField(
        _("provider"), max_length=100, blank=True, default="", help_text=_("Empty for any provider.")
    )
    model_pattern = models.CharField(
        _("model"), max_length=200, help_text=_("A model's name; * stands for any characters, as in gpt-4o*.")
    )
    currency = models.CharField(
        _("currency"),
        max_length=3,
        default=DEFAULT_COST_CURRENCY,
        validators=[RegexValidator(r"\A[A-Z]{3}\Z", _("Enter an ISO 4217 code, such as USD."))],
        help_text=_("ISO 4217 code."),
    )
    input_per_1m = ExactDecimalField(_("input price"), help_text=_("For 1,000,000 input tokens."))
    output_per_1m = ExactDecimalField(_("output price"), help_text=_("For 1,000,000 output tokens."))
    cache_read_per_1m = ExactDecimalField(
        _("cache read price"),
        null=True,
        blank=True,
        help_text=_("For 1,000,000 tokens read from a cache; empty: as input."),
    )
    cache_write_per_1m = ExactDecimalField(
        _("cache write price"),
        null=True,
        blank=True,
        help_text=_("For 1,000,000 tokens written to a cache; empty: as input."),
    )
    reasoning_per_1m = ExactDecimalField(
        _("reasoning price"), null=True, blank=True, help_text=_("For 1,000,000 reasoning tokens; empty: as output.")
    )
    valid_from = models.DateTimeField(
        _("valid from"), null=True, blank=True, default=timezone.now, help_text=_("Empty: since ever.")
    )
    valid_to = models.DateTimeField(
        _("valid to"), null=True, blank=True, help_text=_("The first moment it no longer holds; empty: open.")
    )
    source = models.TextField(
        _("source"), blank=True, default="", help_text=_("Where the figures come from: a contract, a page.")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = NotingQuerySet.as_manager()

    class Meta:
        db_table = "agentcore_metering_llm_price"
        verbose_name = _("LLM price")
        verbose_name_plural = _("LLM prices")
        ordering = [models.F("valid_from").desc(nulls_last=True), "-id"]

    def __str__(self) -> str:
        return f"{self.provider or '*'} {self.model_pattern} {self.currency}"

    def clean(self) -> None:
        """Refuse negative prices and a time that ends before it begins."""
        errors: dict[str, StrOrPromise] = {}
        for name in PRICE_FIELDS:
            price = getattr(self, name)
            if price is not None and price < 0:
                errors[name] = _("A price cannot be negative.")
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            errors["valid_to"] = _("The end must be later than the beginning.")
        if errors:
            raise ValidationError(errors)
