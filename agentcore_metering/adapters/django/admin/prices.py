"""An operator's prices: entered, corrected, and replaced from a moment on.

The form is `price_form`'s; which price holds for a call is left to `config.prices`.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.admin import shapes
from agentcore_metering.adapters.django.admin.access import MeteringAdmin
from agentcore_metering.adapters.django.admin.widgets import PlainDecimalInput
from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.fields import ExactDecimalField
from agentcore_metering.adapters.django.models import LLMPrice
from agentcore_metering.core.providers import PROVIDERS, get_provider

__all__ = ["LLMPriceAdmin"]

REPLACES = "replaces"


class ValidityFilter(admin.SimpleListFilter):
    """Prices that hold now, later, or no longer."""

    title = gettext_lazy("validity")
    parameter_name = "validity"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("now", _("Valid now")), ("future", _("Not yet valid")), ("past", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        has_ended, is_future = (
            Q(valid_to__isnull=False, valid_to__lte=now),
            Q(valid_from__isnull=False, valid_from__gt=now),
        )
        wanted = {"now": ~has_ended & ~is_future, "future": is_future, "past": has_ended}
        return queryset.filter(wanted.get(self.value() or "", Q()))


class ProviderFilter(admin.SimpleListFilter):
    """The providers that have prices."""

    title = gettext_lazy("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        found = sorted(set(_prices().order_by().values_list("provider", flat=True)))
        return [(name or "-", get_provider(name).label if name else _("Any provider")) for name in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        # Only what was offered: PostgreSQL refuses some texts even in a comparison.
        known = value in dict(self.lookup_choices)
        return queryset.filter(provider="" if value == "-" else value) if known else queryset.none()


@admin.register(LLMPrice)
class LLMPriceAdmin(MeteringAdmin):
    """Prices by Django's own permissions for them."""

    list_display = (
        "model_pattern",
        "provider_label",
        "condition",
        "input_price",
        "output_price",
        "currency",
        "is_valid_now",
        "begins",
        "ends",
    )
    list_filter = (ValidityFilter, ProviderFilter, "currency")
    search_fields = ("model_pattern", "source")
    formfield_overrides = {ExactDecimalField: {"widget": PlainDecimalInput}}
    readonly_fields = ("created_at", "updated_at")
    save_as = True
    change_form_template = "admin/agentcore_metering/llmprice/change_form.html"
    fieldsets = (
        (
            gettext_lazy("For which calls"),
            {"fields": ("replaces", "provider", "model_pattern", "service_tier", "above_input_tokens")},
        ),
        (gettext_lazy("Price"), {"fields": ("currency", "input_per_1m", "output_per_1m")}),
        (gettext_lazy("Validity"), {"fields": ("valid_from", "valid_to", "source")}),
        (
            gettext_lazy("Other tokens"),
            {
                "classes": ("collapse",),
                "fields": (
                    "cache_read_per_1m",
                    "cache_write_per_1m",
                    "cache_write_1h_per_1m",
                    "reasoning_per_1m",
                    "input_audio_per_1m",
                    "output_audio_per_1m",
                    "input_image_per_1m",
                    "output_image_per_1m",
                ),
            },
        ),
        (
            gettext_lazy("Other units"),
            {
                "classes": ("collapse",),
                "fields": ("per_image", "per_second", "per_character", "per_query", "per_web_search"),
            },
        ),
        (gettext_lazy("Record"), {"classes": ("collapse",), "fields": ("created_at", "updated_at")}),
    )

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Ours."""
        # Not as `form`: Django imports every admin while it starts, and a form is made of every field then.
        from agentcore_metering.adapters.django.admin.price_form import PriceForm

        return super().get_form(request, obj, change=change, **{**kwargs, "form": PriceForm})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the price to replace says, from now on."""
        from agentcore_metering.adapters.django.admin.price_form import COPIED

        initial: dict[str, Any] = {**super().get_changeform_initial_data(request)}
        old = self._to_replace(request, initial.pop(REPLACES, None))
        if old is None:
            return initial
        return {**{name: getattr(old, name) for name in COPIED}, "valid_from": timezone.now(), REPLACES: old.pk}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The price; the one that it replaces ends with its beginning. Both or none: the view is one transaction."""
        super().save_model(request, obj, form, change)
        old: LLMPrice | None = form.cleaned_data.get(REPLACES)
        if old is not None and old.pk != obj.pk and self.has_change_permission(request, old):
            old.valid_to = obj.valid_from
            old.save()
            self.log_change(request, old, _("Replaced by price %(pk)s.") % {"pk": obj.pk})

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """With the providers to choose from, and the way to a price that replaces this one."""
        row = context.get("original")
        may_replace = self.has_add_permission(request) and self.has_change_permission(request)
        is_open = row is not None and (row.valid_to is None or row.valid_to > timezone.now())
        context["metering_providers"] = [(provider.id, provider.label) for provider in PROVIDERS.values()]
        if row is not None and may_replace and is_open:
            context["replace_url"] = f"{reverse('admin:agentcore_metering_llmprice_add')}?{REPLACES}={row.pk}"
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description=gettext_lazy("provider"), ordering="provider")
    def provider_label(self, price: LLMPrice) -> Any:
        """By its label."""
        return get_provider(price.provider).label if price.provider else _("Any provider")

    @admin.display(description=gettext_lazy("input, 1,000,000 tokens"), ordering="input_per_1m")
    def input_price(self, price: LLMPrice) -> str:
        """For a million tokens."""
        return shapes.plain_decimal(price.input_per_1m)

    @admin.display(description=gettext_lazy("output, 1,000,000 tokens"), ordering="output_per_1m")
    def output_price(self, price: LLMPrice) -> str:
        """For a million tokens."""
        return shapes.plain_decimal(price.output_per_1m)

    @admin.display(description=gettext_lazy("only for"))
    def condition(self, price: LLMPrice) -> str:
        """The tier and the length of prompts that it is for; nothing for ordinary calls."""
        tier = [price.service_tier] if price.service_tier else []
        length = [f"> {price.above_input_tokens:,}"] if price.above_input_tokens else []
        return ", ".join([*tier, *length]) or shapes.EMPTY

    @admin.display(description=gettext_lazy("valid from"), ordering="valid_from")
    def begins(self, price: LLMPrice) -> str:
        """The first moment."""
        return shapes.moment(price.valid_from)

    @admin.display(description=gettext_lazy("valid to"), ordering="valid_to")
    def ends(self, price: LLMPrice) -> str:
        """The first moment at which it no longer holds."""
        return shapes.moment(price.valid_to)

    @admin.display(description=gettext_lazy("valid now"), boolean=True)
    def is_valid_now(self, price: LLMPrice) -> bool:
        """Whether a call of this moment could be charged by it."""
        now = timezone.now()
        has_begun = price.valid_from is None or price.valid_from <= now
        return has_begun and (price.valid_to is None or price.valid_to > now)

    def _to_replace(self, request: HttpRequest, pk: Any) -> LLMPrice | None:
        if not str(pk or "").isdigit() or not self.has_change_permission(request):
            return None
        return _prices().filter(pk=pk).first()


def _prices() -> QuerySet[LLMPrice]:
    return LLMPrice.objects.using(metering_settings.DATABASE_ALIAS)
