"""Which charts the dashboard has, and the words and numbers of its tables. Where the figures come from is left to `dashboard_figures`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agentcore_metering.adapters.django.admin.charts import Chart, Curve, draw
from agentcore_metering.adapters.django.admin.dashboard_figures import Figures, Line
from agentcore_metering.adapters.django.admin.shapes import EMPTY, plain_decimal
from agentcore_metering.adapters.django.stats.buckets import Granularity

__all__ = ["COLUMNS", "bucket_labels", "cells", "charts", "cost_texts", "tiles"]

Figure = Callable[[dict[str, Any]], str]


def _count(name: str) -> Figure:
    return lambda figures: f"{figures[name]:,}"


def _seconds(name: str) -> Figure:
    return lambda figures: EMPTY if figures[name] is None else f"{figures[name]:.2f}"


COLUMNS: tuple[tuple[Any, Figure], ...] = (
    (gettext_lazy("calls"), _count("total_calls")),
    (gettext_lazy("errors"), _count("failed_calls")),
    (gettext_lazy("input tokens"), _count("total_prompt_tokens")),
    (gettext_lazy("output tokens"), _count("total_completion_tokens")),
    (gettext_lazy("latency p50, s"), _seconds("p50_e2e_latency_sec")),
    (gettext_lazy("latency p95, s"), _seconds("p95_e2e_latency_sec")),
)
"""Of every table; the cost comes last, in a line for each currency."""
_COUNTS = 4
"""The first of them."""
_LATENCIES = (("p50", "first", "p50_e2e_latency_sec"), ("p95", "second", "p95_e2e_latency_sec"))


def cells(line: Line) -> list[str]:
    """The texts of `COLUMNS` for one line."""
    return [figure(line.figures) for _title, figure in COLUMNS]


def cost_texts(figures: dict[str, Any]) -> list[str]:
    """Each currency's exact amount, and last how many calls have no known cost."""
    texts = [f"{_money(cost['amount'])} {cost['currency']}" for cost in figures["costs"]]
    unpriced = figures["unpriced_calls"]
    return [*texts, _("unpriced: %(count)s") % {"count": f"{unpriced:,}"}] if unpriced else texts


def tiles(summary: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The sums above the charts: a title and its lines."""
    counts = [(str(title), [figure(summary)]) for title, figure in COLUMNS[:_COUNTS]]
    latency = [f"{name} {_seconds(figure)(summary)} s" for name, _kind, figure in _LATENCIES]
    return [(_("Cost"), cost_texts(summary) or [EMPTY]), *counts, (_("latency"), latency)]


def bucket_labels(granularity: Granularity | None, names: Sequence[str]) -> list[str]:
    """Short names of buckets for an axis; the days of hours are named where there is more than one."""
    if granularity is Granularity.YEAR:
        return [name[:7] for name in names]
    if granularity is Granularity.MONTH:
        return [name[5:10] for name in names]
    is_one_day = len({name[:10] for name in names}) == 1
    return [name[11:16] if is_one_day else f"{name[5:10]} {name[11:16]}" for name in names]


def charts(figures: Figures, granularity: Granularity | None) -> list[Chart]:
    """One of each currency's cost, then tokens, calls, errors and latency."""
    lines = figures.series.lines
    labels = bucket_labels(granularity, [line.name for line in lines])
    return [*_costs(figures, labels), *_amounts(figures, labels), _latency(figures, labels)]


def _costs(figures: Figures, labels: Sequence[str]) -> Iterator[Chart]:
    for total in figures.summary["costs"]:
        currency = total["currency"]
        amounts = [_amount_in(currency, line.figures) for line in figures.series.lines]
        curve = Curve(currency, "first", [float(amount) for amount in amounts], [_money(amount) for amount in amounts])
        title = _("Cost, %(currency)s") % {"currency": currency}
        yield draw(f"cost-{currency}", title, f"{_money(total['amount'])} {currency}", labels, [curve])


def _amounts(figures: Figures, labels: Sequence[str]) -> Iterator[Chart]:
    summary = figures.summary
    for key, title, total, parts in (
        (
            "tokens",
            _("Tokens"),
            f"{summary['total_tokens']:,}",
            ((_("input"), "first", "total_prompt_tokens"), (_("output"), "second", "total_completion_tokens")),
        ),
        ("calls", _("Calls"), f"{summary['total_calls']:,}", ((_("calls"), "first", "total_calls"),)),
        (
            "errors",
            _("Errors"),
            f"{_('failed')} {summary['failed_calls']:,}, {_('cancelled')} {summary['cancelled_calls']:,}",
            ((_("failed"), "failed", "failed_calls"), (_("cancelled"), "second", "cancelled_calls")),
        ),
    ):
        curves = [_counts(figures, *part) for part in parts]
        yield draw(key, title, total, labels, curves)


def _counts(figures: Figures, name: str, kind: str, figure: str) -> Curve:
    values = [line.figures[figure] for line in figures.series.lines]
    return Curve(name, kind, values, [f"{value:,}" for value in values])


def _latency(figures: Figures, labels: Sequence[str]) -> Chart:
    curves = [
        Curve(
            name,
            kind,
            [line.figures[figure] for line in figures.series.lines],
            [_seconds(figure)(line.figures) for line in figures.series.lines],
        )
        for name, kind, figure in _LATENCIES
    ]
    total = ", ".join(f"{name} {_seconds(figure)(figures.summary)}" for name, _kind, figure in _LATENCIES)
    return draw("latency", _("Latency, seconds"), total, labels, curves, is_line=True)


def _amount_in(currency: str, figures: dict[str, Any]) -> Decimal:
    return next((Decimal(cost["amount"]) for cost in figures["costs"] if cost["currency"] == currency), Decimal(0))


def _money(amount: Decimal | str) -> str:
    """All digits that say something, and at least two places."""
    whole, _point, places = plain_decimal(Decimal(amount)).partition(".")
    return f"{int(whole):,}.{places.ljust(2, '0')}"
