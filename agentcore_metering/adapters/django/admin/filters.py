"""The filters of the usage list. None of them asks the table which values it has: choices are known, or typed in.

How far is looked for what no index finds is left to `windows`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.admin.indexed_filter import PAGE, IndexedFilter
from agentcore_metering.adapters.django.admin.texts import COST_STATUSES, OPERATIONS, STATUSES
from agentcore_metering.adapters.django.admin.time_filter import TimeFilter
from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.users import parse_user_pk
from agentcore_metering.adapters.django.models import LLMConfig, LLMPrice
from agentcore_metering.adapters.django.translated import translated
from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.enums import Status
from agentcore_metering.core.errors import InvalidField
from agentcore_metering.core.providers import PROVIDERS, get_provider

__all__ = ["USAGE_FILTERS"]

PREFIX_MARK = "*"


class StatusFilter(IndexedFilter):
    title = gettext_lazy("status")
    parameter_name = "status"
    scatters = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(STATUSES.items())

    @property
    def scans(self) -> bool:
        return self.value() not in (None, Status.SUCCEEDED)

    def indexed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(success=self.value() == Status.SUCCEEDED)

    def scanned(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == Status.SUCCEEDED:
            return rows
        # Rows of the older schema know success only.
        of_older_schema = Q(status__isnull=True) if self.value() == Status.FAILED else Q()
        return rows.filter(Q(status=self.value()) | of_older_schema)


class ColumnFilter(IndexedFilter):
    """One column with known values."""

    column: ClassVar[str]

    def scanned(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(**{self.column: self.value()})


class ProviderFilter(ColumnFilter):
    """Providers of the configurations, of the settings and of prices: those that can have been called."""

    title = gettext_lazy("provider")
    parameter_name = column = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        alias = metering_settings.DATABASE_ALIAS
        found = set(LLMConfig.objects.using(alias).order_by().values_list("provider", flat=True).distinct())
        found |= set(LLMPrice.objects.using(alias).order_by().values_list("provider", flat=True).distinct())
        found |= {metering_settings.LLM["provider"]} if metering_settings.LLM else set()
        found |= {self.value() or ""}
        known = [name for name in PROVIDERS if name in found]
        others = sorted(found - set(known) - {""})
        return [(name, get_provider(name).label) for name in (*known, *others)]


class OperationFilter(ColumnFilter):
    title = gettext_lazy("operation")
    parameter_name = column = "operation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(OPERATIONS.items())


class CostStatusFilter(ColumnFilter):
    title = gettext_lazy("cost status")
    parameter_name = column = "cost_status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(COST_STATUSES.items())


class CurrencyFilter(ColumnFilter):
    """The default currency and those of prices. Amounts in two currencies are never added, so neither does this page."""

    title = gettext_lazy("currency")
    parameter_name = "currency"
    column = "cost_currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        prices = LLMPrice.objects.using(metering_settings.DATABASE_ALIAS).order_by()
        found = {
            DEFAULT_COST_CURRENCY,
            self.value() or DEFAULT_COST_CURRENCY,
            *prices.values_list("currency", flat=True),
        }
        return [(currency, currency) for currency in sorted(found)]


class StreamingFilter(IndexedFilter):
    title = gettext_lazy("streamed")
    parameter_name = "streaming"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", _("Yes")), ("0", _("No"))]

    def scanned(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(is_streaming=self.value() == "1")


class TypedFilter(IndexedFilter):
    """A value that is typed in."""

    template = "admin/agentcore_metering/typed_filter.html"
    hint: ClassVar[Any] = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """One: what the form needs."""
        yield {
            "name": self.parameter_name,
            "value": self.value() or "",
            "hint": self.hint,
            "hidden": self.hidden(),
            "all_query_string": changelist.get_query_string(remove=[str(self.parameter_name), PAGE]),
        }


class ModelFilter(TypedFilter):
    title = gettext_lazy("model")
    parameter_name = "model"
    hint = gettext_lazy("openai/gpt-4o or openai/*")

    def scanned(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        value = str(self.value())
        if value.endswith(PREFIX_MARK):
            return rows.filter(model__startswith=value.removesuffix(PREFIX_MARK))
        return rows.filter(model=value)


class UserFilter(TypedFilter):
    title = gettext_lazy("user")
    parameter_name = "user"
    scatters = True
    hint = gettext_lazy("primary key")

    @property
    def scans(self) -> bool:
        return False

    def indexed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        try:
            return rows.filter(user_id=parse_user_pk(self.value()))
        except InvalidField as error:
            raise self.refuse(translated(error)) from None


USAGE_FILTERS = (
    TimeFilter,
    StatusFilter,
    ModelFilter,
    UserFilter,
    ProviderFilter,
    OperationFilter,
    StreamingFilter,
    CurrencyFilter,
    CostStatusFilter,
)
