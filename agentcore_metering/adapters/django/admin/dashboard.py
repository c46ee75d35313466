"""The dashboard: usage over time for those who have no other one. The page, and each of its tables as a file.

It reads `dashboard_range`'s form, asks `dashboard_figures` and has it drawn by `dashboard_charts`. Who may see it is the usage list's
to say.
"""

from __future__ import annotations

import csv
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from agentcore_metering.adapters.django.admin.dashboard_charts import (
    COLUMNS,
    bucket_labels,
    cells,
    charts,
    cost_texts,
    tiles,
)
from agentcore_metering.adapters.django.admin.dashboard_figures import (
    Breakdown,
    Figures,
    read_breakdown,
    read_figures,
)
from agentcore_metering.adapters.django.admin.dashboard_range import (
    CUSTOM,
    DEFAULT_RANGE,
    RANGES,
    Choice,
    default_zone_name,
    parse_choice,
)
from agentcore_metering.adapters.django.exports.formats import BOM, defused
from agentcore_metering.adapters.django.translated import translated
from agentcore_metering.core.errors import InvalidField

__all__ = ["dashboard_response"]

TEMPLATE = "admin/agentcore_metering/llmusage/dashboard.html"
FILE = "csv"
"""The parameter that asks for a table as a file, and says which."""

_FILE_COLUMNS = (
    "total_calls",
    "logical_calls",
    "successful_calls",
    "failed_calls",
    "cancelled_calls",
    "streamed_calls",
    "unpriced_calls",
    "total_prompt_tokens",
    "total_completion_tokens",
    "total_cached_tokens",
    "total_reasoning_tokens",
    "total_tokens",
    "avg_e2e_latency_sec",
    "p50_e2e_latency_sec",
    "p95_e2e_latency_sec",
    "p99_e2e_latency_sec",
)


def dashboard_response(request: HttpRequest, page: ModelAdmin[Any]) -> HttpResponse:
    """The page, or with `csv` one of its tables; the page with a message and status 400 where a parameter is wrong."""
    params = {name: str(value).replace("\x00", "") for name, value in request.GET.items()}
    try:
        choice = parse_choice(params, timezone.now())
        if FILE in params:
            return _file(params[FILE], choice)
        found = _shown(read_figures(choice.query), choice)
    except InvalidField as exc:
        return _page(request, page, {**_typed(params), "error": translated(exc)}, status=400)
    return _page(request, page, {**_chosen(choice), **found})


def _page(request: HttpRequest, page: ModelAdmin[Any], found: dict[str, Any], status: int = 200) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "title": _("Usage dashboard"),
        "opts": page.opts,
        "media": page.media,
        "ranges": RANGES,
        "custom": CUSTOM,
        "zones": _zone_names(),
        **found,
    }
    return TemplateResponse(request, TEMPLATE, context, status=status)


@cache
def _zone_names() -> tuple[str, ...]:
    """What the form suggests. Kept, because to find them hundreds of files are looked at."""
    return tuple(sorted(available_timezones()))


def _typed(params: dict[str, str]) -> dict[str, Any]:
    """What the form shows again."""
    return {
        "range_key": params.get("range") or DEFAULT_RANGE,
        "first_day": params.get("from", ""),
        "last_day": params.get("to", ""),
        "zone_name": params.get("tz") or default_zone_name(),
    }


def _chosen(choice: Choice) -> dict[str, Any]:
    return {
        "range_key": choice.key,
        "first_day": choice.first_day.isoformat(),
        "last_day": choice.last_day.isoformat(),
        "zone_name": choice.zone_name,
    }


def _shown(figures: Figures, choice: Choice) -> dict[str, Any]:
    return {
        "summary": figures.summary,
        "tiles": tiles(figures.summary),
        "charts": charts(figures, choice.query.granularity),
        "columns": [title for title, _figure in COLUMNS],
        "tables": [_table(table) for table in figures.tables],
        "series": _table(
            figures.series, bucket_labels(choice.query.granularity, [line.name for line in figures.series.lines])
        ),
    }


def _table(table: Breakdown, labels: list[str] | None = None) -> dict[str, Any]:
    """A series is shown whole, with the labels of its charts; any other table as far as there is room."""
    lines = table.shown if labels is None else table.lines
    names = [line.name for line in lines] if labels is None else labels
    return {
        "key": table.key,
        "title": table.title,
        "head": table.head,
        "hidden_count": 0 if labels is not None else table.hidden_count,
        "lines": [
            {"name": name, "cells": cells(line), "costs": cost_texts(line.figures)}
            for name, line in zip(names, lines, strict=True)
        ],
    }


def _file(key: str, choice: Choice) -> HttpResponse:
    """All lines of a table as CSV, with a column for each currency.

    Raises:
        InvalidField: there is no such table.
    """
    table = read_breakdown(key, choice.query)
    if table is None:
        raise InvalidField(FILE, _("“%(text)s” is no table of this page.") % {"text": key[:64]})
    currencies = sorted({cost["currency"] for line in table.lines for cost in line.figures["costs"]})
    name = f"usage-{table.key}-{choice.first_day}-{choice.last_day}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # Excel takes a file without the mark for one of its system's own encoding.
    response = HttpResponse(BOM, content_type="text/csv; charset=utf-8", headers=headers)
    writer = csv.writer(response)
    writer.writerow([table.key, *_FILE_COLUMNS, *(f"cost_{defused(currency)}" for currency in currencies)])
    for line in table.lines:
        amounts = {cost["currency"]: cost["amount"] for cost in line.figures["costs"]}
        figures = [line.figures[column] for column in _FILE_COLUMNS]
        writer.writerow([defused(line.name), *figures, *(amounts.get(currency) for currency in currencies)])
    return response
