"""The filter by time: the one that a database with an index on the time answers at any size, in place of Django's date hierarchy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.admin.indexed_filter import PAGE, IndexedFilter

__all__ = ["TIME_END", "TimeFilter"]

TIME_PERIOD, TIME_START, TIME_END = "period", "from", "to"

_PERIODS: dict[str, tuple[Any, timedelta]] = {
    "1h": (gettext_lazy("Past hour"), timedelta(hours=1)),
    "24h": (gettext_lazy("Past 24 hours"), timedelta(days=1)),
    "7d": (gettext_lazy("Past 7 days"), timedelta(days=7)),
    "30d": (gettext_lazy("Past 30 days"), timedelta(days=30)),
}


class TimeFilter(IndexedFilter):
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
