"""What the demonstration prints: figures by model, the views side by side, one trace as a tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from example.demo.figures import PLACES, Line, View

NS_PER_MS = 1_000_000


def show_outcomes(console: Console, outcomes: Mapping[str, Counter[str]]) -> None:
    """What the clients saw, by kind of request."""
    table = Table("request", "sent", "seen by the client", title="What was asked", title_justify="left")
    for kind, counts in outcomes.items():
        seen = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        table.add_row(kind, str(counts.total()), seen)
    console.print(table)


def show_by_model(console: Console, rows: View) -> None:
    """The figures as they stand in the database."""
    table = Table(title="What it used and cost, by model", title_justify="left")
    for heading in ("model", "attempts", "input tokens", "output tokens", "cost"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for model, figures in sorted(rows.items()):
        cost = ", ".join(f"{_money(amount)} {currency}" for currency, amount in sorted(figures.cost.items()))
        counts = (str(figures.attempts), f"{figures.input_tokens:,}", f"{figures.output_tokens:,}")
        table.add_row(model, *counts, cost or "no price known")
    console.print(table)


def show_comparison(console: Console, names: Sequence[str], lines: Sequence[Line]) -> None:
    """Every figure in every view, model by model, and whether they are the same."""
    table = Table(title="The same figures from every side", title_justify="left")
    for heading in ("", *names, ""):
        table.add_column(heading, justify="right" if heading in names else "left", no_wrap=True)
    for model, of_model in groupby(lines, key=lambda line: line.model):
        table.add_section()
        table.add_row(f"[bold]{model}[/]")
        for line in of_model:
            verdict = "[green]equal[/]" if line.is_equal else "[bold red]DIFFERENT[/]"
            values = [_money(value) if isinstance(value, Decimal) else f"{value:,}" for value in line.values]
            table.add_row(f"  {line.label}", *values, verdict)
    console.print(table)


def show_trace(console: Console, spans: Sequence[ReadableSpan]) -> None:
    """The trace of one request that had to try twice: HTTP span, LLM span, its events."""
    llm = next((span for span in spans if (span.attributes or {}).get("agentcore_metering.attempts") == 2), None)
    if llm is None or llm.context is None:
        return
    trace_id = llm.context.trace_id
    members = [span for span in spans if span.context is not None and span.context.trace_id == trace_id]
    root = Tree(f"One trace, {format(trace_id, '032x')}")
    for span in members:
        if span.parent is None:
            _branch(root.add(_title(span)), span, members)
    console.print(root)


def _branch(tree: Tree, parent: ReadableSpan, members: Sequence[ReadableSpan]) -> None:
    for event in parent.events:
        tree.add(f"[dim]event[/] {event.name} {_short(event.attributes or {}, ('error.type', 'exception.type'))}")
    for span in members:
        if span.parent is not None and parent.context is not None and span.parent.span_id == parent.context.span_id:
            _branch(tree.add(_title(span)), span, members)


_SHOWN = (
    "gen_ai.provider.name",
    "gen_ai.response.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "agentcore_metering.cost.amount",
    "gen_ai.usage.cost.currency",
    "agentcore_metering.attempts",
    "http.route",
    "http.status_code",
)


def _title(span: ReadableSpan) -> str:
    duration_ms = ((span.end_time or 0) - (span.start_time or 0)) / NS_PER_MS
    return f"[bold]{span.name}[/] [dim]{span.kind.name} {duration_ms:.0f} ms[/] {_short(span.attributes or {}, _SHOWN)}"


def _short(attributes: Mapping[str, Any], names: Sequence[str]) -> str:
    return " ".join(f"[cyan]{name}[/]={attributes[name]}" for name in names if name in attributes)


def _money(amount: Decimal) -> str:
    return format(round(amount, PLACES), "f").rstrip("0").rstrip(".") or "0"
