"""The filters of the usage list. None of them asks the table which values it has: choices are known, or typed in.

Each says what of it an index finds; how far the rest is looked for is left to `windows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.admin.texts import COST_STATUSES, OPERATIONS, STATUSES
from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.users import parse_user_pk
from agentcore_metering.adapters.django.models import LLMConfig, LLMPrice
from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.errors import InvalidField
from agentcore_metering.core.providers import PROVIDERS, get_provider
from agentcore_metering.core.types import Status

__all__ = ["TIME_END", "USAGE_FILTERS", "UsageFilter"]

TIME_PERIOD, TIME_START, TIME_END = "period", "from", "to"
PREFIX_MARK = "*"
PAGE = "p"
NUL = "\x00"

_PERIODS: dict[str, tuple[Any, timedelta]] = {
    "1h": (gettext_lazy("Past hour"), timedelta(hours=1)),
    "24h": (gettext_lazy("Past 24 hours"), timedelta(days=1)),
    "7d": (gettext_lazy("Past 7 days"), timedelta(days=7)),
    "30d": (gettext_lazy("Past 30 days"), timedelta(days=30)),
}


class UsageFilter(admin.SimpleListFilter):
    """One filter. `queryset` is `indexed` and, where that is not all of it, `scanned`."""

    scatters: ClassVar[bool] = False
    """Whether the rows that its index finds lie far from each other on the disk."""

    @property
    def is_used(self) -> bool:
        """Whether anything was chosen."""
        return self.value() is not None

    @property
    def scans(self) -> bool:
        """Whether rows have to be read to find those that match."""
        return self.is_used

    def indexed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The part of the filter for which there is an index that leads on to the time."""
        return rows

    def scanned(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The other part."""
        return rows

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Both parts."""
        return self.scanned(self.indexed(queryset)) if self.is_used else queryset

    def value(self) -> str | None:
        """What was chosen; None for everything, also where the parameter is there and empty."""
        value = super().value()
        # PostgreSQL takes no NUL in a text, not even to look for it.
        return value.replace(NUL, "").strip() or None if isinstance(value, str) else None

    def refuse(self, message: str) -> IncorrectLookupParameters:
        """The exception for a value that is none, after the admin was told so."""
        messages.error(self.request, message)
        return IncorrectLookupParameters(message)

    def hidden(self) -> list[tuple[str, str]]:
        """The other parameters of the page, for a form that must keep them."""
        own = {*self.expected_parameters(), PAGE, "e"}
        return [(name, value) for name, values in self.request.GET.lists() if name not in own for value in values]


class StatusFilter(UsageFilter):
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


class ColumnFilter(UsageFilter):
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


class StreamingFilter(UsageFilter):
    title = gettext_lazy("streamed")
    parameter_name = "streaming"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", _("Yes")), ("0", _("No"))]

    def scanned(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(is_streaming=self.value() == "1")


class TypedFilter(UsageFilter):
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

    @property
    def scans(self) -> bool:
        return False


class ModelFilter(TypedFilter):
    title = gettext_lazy("model")
    parameter_name = "model"
    hint = gettext_lazy("openai/gpt-4o or openai/*")

    @property
    def scans(self) -> bool:
        return self._prefix() is not None

    @property
    def scatters(self) -> bool:  # type: ignore[override]  # here it depends on what was typed
        return not self.scans

    def indexed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows if self.scans else rows.filter(model=self.value())

    def scanned(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(model__startswith=self._prefix()) if self.scans else rows

    def _prefix(self) -> str | None:
        value = self.value()
        return value.removesuffix(PREFIX_MARK) if value is not None and value.endswith(PREFIX_MARK) else None


class UserFilter(TypedFilter):
    title = gettext_lazy("user")
    parameter_name = "user"
    scatters = True
    hint = gettext_lazy("primary key")

    def indexed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        try:
            return rows.filter(user_id=parse_user_pk(self.value()))
        except InvalidField as error:
            raise self.refuse(str(error)) from None


class TimeFilter(UsageFilter):
    """A period up to now, or from one day or moment to another; days are those of the active time zone."""

    title = gettext_lazy("time")
    parameter_name = TIME_PERIOD
    template = "admin/agentcore_metering/time_filter.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in (TIME_START, TIME_END):
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1].strip()

    def expected_parameters(self) -> list[str | None]:
        return [TIME_PERIOD, TIME_START, TIME_END]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(key, label) for key, (label, _length) in _PERIODS.items()]

    @property
    def is_used(self) -> bool:
        return any((self.value(), self._text(TIME_START), self._text(TIME_END)))

    @property
    def scans(self) -> bool:
        return False

    def indexed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        start, end = self._moment(TIME_START, _first_moment), self._moment(TIME_END, _moment_after)
        if self.value() in _PERIODS:
            period_start = timezone.now() - _PERIODS[str(self.value())][1]
            start = period_start if start is None else max(start, period_start)
        if start is not None:
            rows = rows.filter(created_at__gte=start)
        return rows if end is None else rows.filter(created_at__lt=end)

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """The periods, and last what the form needs."""
        is_typed = bool(self._text(TIME_START) or self._text(TIME_END))
        typed = [TIME_START, TIME_END, PAGE]
        yield {
            "selected": self.value() is None and not is_typed,
            "query_string": changelist.get_query_string(remove=[TIME_PERIOD, *typed]),
            "display": _("All"),
        }
        for key, (label, _length) in _PERIODS.items():
            yield {
                "selected": self.value() == key,
                "query_string": changelist.get_query_string({TIME_PERIOD: key}, typed),
                "display": label,
            }
        yield {
            "is_form": True,
            "start": self._text(TIME_START),
            "end": self._text(TIME_END),
            "hidden": self.hidden(),
            "all_query_string": changelist.get_query_string(remove=[TIME_PERIOD, *typed]),
        }

    def _text(self, name: str) -> str:
        return str(self.used_parameters.get(name) or "")

    def _moment(self, name: str, of_day: Callable[[date], datetime]) -> datetime | None:
        text = self._text(name)
        if not text:
            return None
        try:
            day, moment = parse_date(text), parse_datetime(text)
            if day is not None:
                return of_day(day)
            if moment is not None:
                # In UTC, because at either end of the calendar not every zone can say it.
                return (timezone.make_aware(moment) if timezone.is_naive(moment) else moment).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise self.refuse(_("“%(text)s” is neither a day, such as 2026-02-21, nor a moment.") % {"text": text[:64]})


def _first_moment(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001 - made aware here


def _moment_after(day: date) -> datetime:
    return _first_moment(day + timedelta(days=1))


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
