"""The trail of configurations: who changed which keys of which one. Never a value."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.admin import shapes
from agentcore_metering.adapters.django.admin.access import MANAGE_CONFIG, ReadOnlyAdmin
from agentcore_metering.adapters.django.admin.windows import CappedPaginator
from agentcore_metering.adapters.django.models import LLMConfigChange

__all__ = ["LLMConfigChangeAdmin"]


@admin.register(LLMConfigChange)
class LLMConfigChangeAdmin(ReadOnlyAdmin):
    """One line for each change of one configuration."""

    viewed_by = MANAGE_CONFIG
    list_display = ("when", "config_uuid", "action", "changed", "owner_id", "who", "via")
    sortable_by = ("when",)
    list_filter = ("action",)
    search_fields = ("=config_uuid", "=actor_id", "actor_name")
    search_help_text = _("The uuid of a configuration, or the name or primary key of the user who changed it.")
    list_per_page = 50
    list_max_show_all = 0
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    fields = readonly_fields = list_display

    @admin.display(description=_("changed"), ordering="changed_at")
    def when(self, change: LLMConfigChange) -> str:
        """When it was done."""
        return shapes.moment(change.changed_at)

    @admin.display(description=_("keys"))
    def changed(self, change: LLMConfigChange) -> Any:
        """The names of what was changed."""
        return ", ".join(str(key) for key in change.keys) or shapes.EMPTY

    @admin.display(description=_("who"))
    def who(self, change: LLMConfigChange) -> str:
        """The user's name as it was, with the key, by which he is told from others of that name; nothing where nobody is known."""
        key = f"#{change.actor_id}" if change.actor_id else ""
        return f"{change.actor_name} ({key})" if change.actor_name and key else change.actor_name or key or shapes.EMPTY
