"""The audit trail of costs: what rows said before they were priced anew."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.admin import shapes
from agentcore_metering.adapters.django.admin.access import VIEW_USAGE, ReadOnlyAdmin
from agentcore_metering.adapters.django.admin.windows import CappedPaginator
from agentcore_metering.adapters.django.models import LLMCostChange

__all__ = ["LLMCostChangeAdmin"]


@admin.register(LLMCostChange)
class LLMCostChangeAdmin(ReadOnlyAdmin):
    """One line for each change of one row's cost."""

    viewed_by = VIEW_USAGE
    list_display = ("when", "usage", "old_cost", "new_cost", "old_source", "new_source", "reason")
    sortable_by = ("when",)
    show_facets = admin.ShowFacets.NEVER
    list_max_show_all = 0
    search_fields = ("=usage_id",)
    search_help_text = _("The id of a usage row.")
    list_per_page = 50
    paginator = CappedPaginator
    show_full_result_count = False
    fields = readonly_fields = (
        "when",
        "usage",
        "reason",
        "old_cost",
        "old_source",
        "old_prices",
        "new_cost",
        "new_source",
        "new_prices",
    )

    @admin.display(description=_("changed"), ordering="changed_at")
    def when(self, change: LLMCostChange) -> str:
        """When it was priced anew."""
        return shapes.moment(change.changed_at)

    @admin.display(description=_("usage"))
    def usage(self, change: LLMCostChange) -> Any:
        """The row, which retention may have deleted meanwhile."""
        url = reverse("admin:agentcore_metering_llmusage_change", args=[change.usage_id])
        return format_html('<a href="{}">{}</a>', url, change.usage_id)

    @admin.display(description=_("old cost"))
    def old_cost(self, change: LLMCostChange) -> str:
        """Before."""
        return shapes.amount(change.old_amount, change.old_currency)

    @admin.display(description=_("new cost"))
    def new_cost(self, change: LLMCostChange) -> str:
        """After."""
        return shapes.amount(change.new_amount, change.new_currency)

    @admin.display(description=_("old prices"))
    def old_prices(self, change: LLMCostChange) -> Any:
        """What the old cost was calculated from."""
        return shapes.price_table(change.old_price_snapshot)

    @admin.display(description=_("new prices"))
    def new_prices(self, change: LLMCostChange) -> Any:
        """What the new cost was calculated from."""
        return shapes.price_table(change.price_snapshot)
