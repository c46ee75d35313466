"""The Django admin's view of usage, prices and configurations. Usage is read-only; no secret is ever rendered.

Configurations are edited by the REST API, which knows how to keep, replace and drop a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.config.masking import masked
from agentcore_metering.adapters.django.models import (
    LLMConfig,
    LLMConfigChange,
    LLMCostChange,
    LLMPrice,
    LLMUsage,
    MeteringConfig,
)
from agentcore_metering.adapters.django.trace_links import trace_url

__all__ = [
    "LLMConfigAdmin",
    "LLMConfigChangeAdmin",
    "LLMCostChangeAdmin",
    "LLMPriceAdmin",
    "LLMUsageAdmin",
    "MeteringConfigAdmin",
]

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    # Django's class takes a parameter for type checkers only.
    AnyModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(AnyModelAdmin):
    """Rows that are looked at, not edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never; viewing needs the view permission only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: retention deletes, people do not."""
        return False


@admin.register(LLMUsage)
class LLMUsageAdmin(ReadOnlyAdmin):
    """One line per request to a provider."""

    list_display = (
        "created_at",
        "model",
        "status",
        "user",
        "node_name",
        "prompt_tokens",
        "completion_tokens",
        "cost",
        "cost_currency",
        "attempt",
        "trace_link",
    )
    readonly_fields = ("trace_link",)
    list_filter = ("status", "provider", "cost_status", "cost_currency", "is_streaming")
    search_fields = ("=id", "=call_id", "=trace_id", "model", "node_name")
    date_hierarchy = "created_at"
    list_select_related = ("user",)
    # Counting every row of a large table would cost more than the page.
    show_full_result_count = False

    @admin.display(description=_("trace"))
    def trace_link(self, usage: LLMUsage) -> Any:
        """The trace's id, as a link into the host's tracing tool where there is one to follow."""
        url = trace_url(usage)
        if url is None:
            return usage.trace_id
        return format_html('<a href="{}" target="_blank" rel="noopener">{}</a>', url, usage.trace_id)


@admin.register(LLMConfig)
class LLMConfigAdmin(ReadOnlyAdmin):
    """Which configurations there are; secrets as stars."""

    list_display = ("uuid", "scope", "user", "provider", "model_type", "is_active", "is_default", "updated_at")
    list_filter = ("scope", "provider", "model_type", "is_active")
    list_select_related = ("user",)
    fields = (
        "uuid",
        "scope",
        "user",
        "provider",
        "model_type",
        "shown_config",
        "is_active",
        "is_default",
        "created_at",
        "updated_at",
    )

    @admin.display(description=_("configuration"))
    def shown_config(self, config: LLMConfig) -> Any:
        """The configuration with its secrets masked."""
        return masked(config.config)


@admin.register(LLMConfigChange)
class LLMConfigChangeAdmin(ReadOnlyAdmin):
    """Who changed which keys of which configuration."""

    list_display = ("changed_at", "config_uuid", "action", "keys", "owner_id", "actor_name", "actor_id", "via")
    list_filter = ("action", "via")
    search_fields = ("=config_uuid", "=actor_id", "actor_name")
    show_full_result_count = False


@admin.register(LLMPrice)
class LLMPriceAdmin(AnyModelAdmin):
    """The operator's prices."""

    list_display = (
        "provider",
        "model_pattern",
        "service_tier",
        "above_input_tokens",
        "currency",
        "input_per_1m",
        "output_per_1m",
        "valid_from",
        "valid_to",
        "source",
    )
    list_filter = ("provider", "currency")
    search_fields = ("model_pattern", "source")


@admin.register(LLMCostChange)
class LLMCostChangeAdmin(ReadOnlyAdmin):
    """What rows said before they were priced anew."""

    list_display = ("changed_at", "usage_id", "old_amount", "old_currency", "new_amount", "new_currency", "reason")
    list_filter = ("old_currency", "new_currency", "new_source")
    search_fields = ("=usage_id", "reason")
    show_full_result_count = False


@admin.register(MeteringConfig)
class MeteringConfigAdmin(ReadOnlyAdmin):
    """What the API has set beyond Django's settings."""

    list_display = ("key", "value", "scope", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """In the order of their keys."""
        return super().get_queryset(request).order_by("key")
