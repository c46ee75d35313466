"""Usage rows: looked at, searched and filtered, never written. How a list of millions stays fast is left to `windows` and `filters`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.admin import shapes
from agentcore_metering.adapters.django.admin.access import VIEW_USAGE, ReadOnlyAdmin
from agentcore_metering.adapters.django.admin.filters import USAGE_FILTERS
from agentcore_metering.adapters.django.admin.texts import COST_SOURCES, COST_STATUSES, STATUSES
from agentcore_metering.adapters.django.admin.windows import CappedPaginator, UsageChangeList
from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.users import display_name
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.core.enums import Status

__all__ = ["LLMUsageAdmin"]

TRACE_ID_LENGTH = 32


@admin.register(LLMUsage)
class LLMUsageAdmin(ReadOnlyAdmin):
    """One line for each request to a provider."""

    viewed_by = VIEW_USAGE
    wide_columns = ("error", "metadata", "price_snapshot", "usage_details", "usage_raw")
    """What a list does not read."""
    list_display = (
        "when",
        "status_text",
        "model_and_provider",
        "user_and_node",
        "tokens",
        "cost_text",
        "latency_and_trace",
    )
    # Sorting by anything else would read and sort the whole table; so would counting what each filter finds.
    sortable_by = ("when",)
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-created_at",)
    list_filter = USAGE_FILTERS
    list_per_page = 50
    # "Show all" would be a page of any length.
    list_max_show_all = 0
    paginator = CappedPaginator
    show_full_result_count = False
    search_fields = ("=id", "=call_id", "=trace_id", "model", "node_name")
    search_help_text = gettext_lazy(
        "The id of a row, call or trace finds it at once; any other text is looked for in model and node of the newest rows."
    )
    fieldsets = (
        (None, {"fields": ("id", "when", "status_text", "user_name", "node_name", "source_type")}),
        (gettext_lazy("Outcome"), {"fields": ("finish_reason", "error_type", "error")}),
        (gettext_lazy("Attempts of this call"), {"fields": ("attempts",)}),
        (
            gettext_lazy("Model"),
            {
                "fields": (
                    "operation",
                    "provider",
                    "model",
                    "request_model",
                    "response_model",
                    "service_tier",
                    "is_streaming",
                    "response_id",
                    "config_uuid",
                    "config_scope",
                )
            },
        ),
        (
            gettext_lazy("Tokens"),
            {
                "fields": (
                    "prompt_tokens",
                    "cached_tokens",
                    "cache_write_tokens",
                    "completion_tokens",
                    "reasoning_tokens",
                    "total_tokens",
                    "usage_source",
                )
            },
        ),
        (gettext_lazy("Cost"), {"fields": ("cost_text", "cost_status_text", "cost_source_text", "computed", "prices")}),
        (gettext_lazy("Time"), {"fields": ("started", "first_chunk", "ended", "recorded", "speed")}),
        (gettext_lazy("Trace"), {"fields": ("trace", "span_id", "trace_sampled", "call_id")}),
        (gettext_lazy("Details"), {"classes": ("collapse",), "fields": ("details", "raw_usage", "caller_metadata")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With their users: one who was deleted is then None, and not an error."""
        return super().get_queryset(request).select_related("user")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """All of them."""
        return [str(name) for _title, options in self.fieldsets for name in options["fields"]]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[UsageChangeList]:
        """Ours."""
        return UsageChangeList

    def get_urls(self) -> list[Any]:
        """With the dashboard."""
        view = self.admin_site.admin_view(self.dashboard_view)
        return [path("dashboard/", view, name="agentcore_metering_llmusage_dashboard"), *super().get_urls()]

    def dashboard_view(self, request: HttpRequest) -> HttpResponse:
        """Sums of the rows, for those who may see the rows."""
        # Django imports every admin while it starts; the sums and their charts are many modules that this page alone needs.
        from agentcore_metering.adapters.django.admin.dashboard import dashboard_response

        if not self.has_view_permission(request):
            raise PermissionDenied
        return dashboard_response(request, self)

    def searches_text(self, query: str) -> bool:
        """Whether the search is for something other than an id, which no index finds."""
        return bool(query) and _as_uuid(query) is None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Rows by id, or with the text in their model or node."""
        term = search_term.strip()
        uuid = _as_uuid(term)
        if not term:
            return queryset, False
        if uuid is None:
            return queryset.filter(Q(model__icontains=term) | Q(node_name__icontains=term)), False
        match = Q(id=uuid) | Q(call_id=uuid)
        if len(term) == TRACE_ID_LENGTH:
            match |= Q(trace_id=term.lower())
        return queryset.filter(match), False

    @admin.display(description=gettext_lazy("time"), ordering="created_at")
    def when(self, row: LLMUsage) -> Any:
        """When the attempt was over: what reports go by."""
        return shapes.two_lines(*shapes.moment(row.created_at).split(" "))

    @admin.display(description=gettext_lazy("model"))
    def model_and_provider(self, row: LLMUsage) -> Any:
        """As LiteLLM was given it."""
        return shapes.two_lines(row.model, row.provider)

    @admin.display(description=gettext_lazy("user and node"))
    def user_and_node(self, row: LLMUsage) -> Any:
        """Who called, and in which step."""
        return shapes.two_lines(self.user_name(row), row.node_name)

    @admin.display(description=gettext_lazy("started"))
    def started(self, row: LLMUsage) -> str:
        """When the request was sent."""
        return shapes.moment(row.started_at, timespec="milliseconds")

    @admin.display(description=gettext_lazy("first chunk"))
    def first_chunk(self, row: LLMUsage) -> str:
        """When the first text of a stream came."""
        return shapes.moment(row.first_chunk_at, timespec="milliseconds")

    @admin.display(description=gettext_lazy("ended"))
    def ended(self, row: LLMUsage) -> str:
        """When the attempt was over."""
        return shapes.moment(row.ended_at, timespec="milliseconds")

    @admin.display(description=gettext_lazy("recorded"))
    def recorded(self, row: LLMUsage) -> str:
        """When the database got the row."""
        return shapes.moment(row.recorded_at, timespec="milliseconds")

    @admin.display(description=gettext_lazy("user"))
    def user_name(self, row: LLMUsage) -> Any:
        """His name, which leads to his rows; the key alone where he was deleted."""
        if row.user_id is None:
            return shapes.EMPTY
        name = f"#{row.user_id}" if row.user is None else display_name(row.user)
        return format_html('<a href="{}?user={}">{}</a>', _list_url(), row.user_id, name)

    @admin.display(description=gettext_lazy("tokens: input, output; cached"))
    def tokens(self, row: LLMUsage) -> Any:
        """Those that went in, cached ones included, and came out, reasoning included; of the former, those read from a cache."""
        return shapes.two_lines(f"{row.prompt_tokens:,} → {row.completion_tokens:,}", f"{row.cached_tokens:,}")

    @admin.display(description=gettext_lazy("cost"))
    def cost_text(self, row: LLMUsage) -> str:
        """As the API has it."""
        return shapes.amount(row.cost, row.cost_currency)

    @admin.display(description=gettext_lazy("status"))
    def status_text(self, row: LLMUsage) -> Any:
        """Rows of the older schema know only whether they succeeded."""
        status = row.status or (Status.SUCCEEDED.value if row.success else Status.FAILED.value)
        return shapes.pill(status, str(STATUSES.get(status, status)))

    @admin.display(description=gettext_lazy("latency"))
    def latency(self, row: LLMUsage) -> str:
        """From the request to the end of the answer."""
        start, end = row.started_at, row.ended_at or row.created_at
        return shapes.seconds_text(None if start is None else max(0.0, (end - start).total_seconds()))

    @admin.display(description=gettext_lazy("latency and trace"))
    def latency_and_trace(self, row: LLMUsage) -> Any:
        """With the beginning of the trace's id."""
        return shapes.two_lines(self.latency(row), shapes.trace(row, is_short=True))

    @admin.display(description=gettext_lazy("trace"))
    def trace(self, row: LLMUsage) -> Any:
        """The whole id."""
        return shapes.trace(row)

    @admin.display(description=gettext_lazy("attempts"))
    def attempts(self, row: LLMUsage) -> Any:
        """Every request that this call took, this one among them. One query, by the index of calls."""
        rows = (
            LLMUsage.objects.using(metering_settings.DATABASE_ALIAS)
            .filter(call_id=row.call_id)
            .order_by("attempt", "created_at")
        )
        found = [row] if row.call_id is None else list(rows.defer(*self.wide_columns))
        head = (_("attempt"), _("model"), _("status"), _("error type"), _("latency"), _("tokens"), _("cost"))
        return shapes.table(head, (self._attempt(one, row) for one in found))

    def _attempt(self, one: LLMUsage, shown: LLMUsage) -> tuple[Any, ...]:
        number: Any = one.attempt
        if one.pk != shown.pk:
            number = format_html('<a href="{}">{}</a>', _row_url(one.pk), one.attempt)
        return (
            number,
            one.model,
            self.status_text(one),
            one.error_type or shapes.EMPTY,
            self.latency(one),
            f"{one.total_tokens:,}",
            self.cost_text(one),
        )

    @admin.display(description=gettext_lazy("cost status"))
    def cost_status_text(self, row: LLMUsage) -> Any:
        """Why there is a cost, or none."""
        return shapes.pill(row.cost_status, str(COST_STATUSES.get(row.cost_status or "", row.cost_status)))

    @admin.display(description=gettext_lazy("cost source"))
    def cost_source_text(self, row: LLMUsage) -> str:
        """Whose figure it is."""
        return str(COST_SOURCES.get(row.cost_source or "", row.cost_source or shapes.EMPTY))

    @admin.display(description=gettext_lazy("computed cost"))
    def computed(self, row: LLMUsage) -> str:
        """What our prices say where the provider's figure was taken."""
        return shapes.amount(row.computed_cost, row.cost_currency)

    @admin.display(description=gettext_lazy("prices"))
    def prices(self, row: LLMUsage) -> Any:
        """Those that the cost was calculated from."""
        return shapes.price_table(row.price_snapshot)

    @admin.display(description=gettext_lazy("duration"))
    def speed(self, row: LLMUsage) -> Any:
        """Latency, time to the first chunk and output rate, as the API has them."""
        from agentcore_metering.adapters.django.stats.usage_list import usage_item

        item = usage_item(row)
        rate = item["output_tps"]
        lines = [
            (_("latency"), shapes.seconds_text(item["latency_sec"])),
            (_("first chunk after"), shapes.seconds_text(item.get("ttft_sec"))),
            (_("output rate"), shapes.EMPTY if rate is None else _("%(rate)s tokens/s") % {"rate": rate}),
        ]
        return shapes.table((_("measure"), _("value")), lines)

    @admin.display(description=gettext_lazy("usage details"))
    def details(self, row: LLMUsage) -> Any:
        """Parts of the tokens with prices of their own."""
        return shapes.json_block(row.usage_details)

    @admin.display(description=gettext_lazy("raw usage"))
    def raw_usage(self, row: LLMUsage) -> Any:
        """The provider's own."""
        return shapes.json_block(row.usage_raw)

    @admin.display(description=gettext_lazy("metadata"))
    def caller_metadata(self, row: LLMUsage) -> Any:
        """The caller's keys."""
        return shapes.json_block(row.metadata)


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def _list_url() -> str:
    return reverse("admin:agentcore_metering_llmusage_changelist")


def _row_url(pk: Any) -> str:
    return reverse("admin:agentcore_metering_llmusage_change", args=[pk])
