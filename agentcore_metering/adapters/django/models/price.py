"""Owns an operator's prices. Which one holds for a call, and against LiteLLM's own, is left to the price source."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

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

__all__ = ["TOKENS_PER_PRICE", "LLMPrice"]

TOKENS_PER_PRICE = Decimal(1_000_000)
"""What the columns that end with `_per_1m` are for."""

PRICE_FIELDS = (
    "input_per_1m",
    "output_per_1m",
    "cache_read_per_1m",
    "cache_write_per_1m",
    "cache_write_1h_per_1m",
    "reasoning_per_1m",
    "input_audio_per_1m",
    "output_audio_per_1m",
    "input_image_per_1m",
    "output_image_per_1m",
    "per_image",
    "per_second",
    "per_character",
    "per_query",
    "per_web_search",
)


def _optional_price(name: StrOrPromise, help_text: StrOrPromise) -> Any:
    return ExactDecimalField(name, null=True, blank=True, help_text=help_text)


class LLMPrice(ChangeNotingModel):
    """Unit prices of the models that a pattern matches, for a time. Prices are for 1,000,000 tokens, or for one unit.

    Of several that fit a call the one of its provider wins over one of any, then the pattern with more letters, then the higher
    `above_input_tokens`, then the newest `valid_from`.
    """

    provider = models.CharField(
        _("provider"), max_length=100, blank=True, default="", help_text=_("Empty for any provider.")
    )
    model_pattern = models.CharField(
        _("model"), max_length=200, help_text=_("A model's name; * stands for any characters, as in gpt-4o*.")
    )
    service_tier = models.CharField(
        _("service tier"),
        max_length=50,
        blank=True,
        default="",
        db_default="",
        help_text=_("For example: flex. Empty for the standard tier, * for any."),
    )
    above_input_tokens = models.PositiveIntegerField(
        _("above input tokens"),
        default=0,
        db_default=0,
        help_text=_("Holds for calls with more input tokens than this, for all of their tokens."),
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
    cache_read_per_1m = _optional_price(
        _("cache read price"), _("For 1,000,000 tokens read from a cache; empty: as input.")
    )
    cache_write_per_1m = _optional_price(
        _("cache write price"), _("For 1,000,000 tokens written to a cache; empty: as input.")
    )
    cache_write_1h_per_1m = _optional_price(
        _("cache write price, 1 hour"),
        _("For 1,000,000 tokens written for an hour; empty: as input, or unknown where the cache write price is set."),
    )
    reasoning_per_1m = _optional_price(_("reasoning price"), _("For 1,000,000 reasoning tokens; empty: as output."))
    input_audio_per_1m = _optional_price(
        _("audio input price"), _("For 1,000,000 audio input tokens; empty: as input.")
    )
    output_audio_per_1m = _optional_price(
        _("audio output price"), _("For 1,000,000 audio output tokens; empty: as output.")
    )
    input_image_per_1m = _optional_price(
        _("image input price"), _("For 1,000,000 image input tokens; empty: as input.")
    )
    output_image_per_1m = _optional_price(
        _("image output price"), _("For 1,000,000 image output tokens; empty: as output.")
    )
    per_image = _optional_price(_("price of an image"), _("For each image made, beside the tokens."))
    per_second = _optional_price(_("price of a second"), _("For each second of audio or video, beside the tokens."))
    per_character = _optional_price(_("price of a character"), _("For each character spoken, beside the tokens."))
    per_query = _optional_price(_("price of a query"), _("For each search unit of a rerank, beside the tokens."))
    per_web_search = _optional_price(_("price of a web search"), _("For each web search the provider did."))
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
        """Refuse negative prices, a time that ends before it begins, and a second price that nothing tells from a first one."""
        errors: dict[str, StrOrPromise] = {}
        for name in PRICE_FIELDS:
            price = getattr(self, name)
            if price is not None and price < 0:
                errors[name] = _("A price cannot be negative.")
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            errors["valid_to"] = _("The end must be later than the beginning.")
        self.service_tier = self.service_tier.strip().lower()
        if not errors and self._has_twin():
            errors["valid_from"] = _("Another price for this provider, model, tier and length begins at the same time.")
        if errors:
            raise ValidationError(errors)

    def _has_twin(self) -> bool:
        names = ("provider", "model_pattern", "service_tier", "above_input_tokens", "valid_from")
        same = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        twins = LLMPrice.objects.filter(**same).exclude(pk=self.pk)
        return twins.filter(valid_from__isnull=self.valid_from is None).exists()
