"""Trace drill-down: from a percentile to the calls behind it, their spans and their rows."""

from __future__ import annotations

from agentcore_metering.telemetry import semconv
from grafana.generate.panels import Json, Panel, Row, dashboard, for_field, query, sql, table, text_variable, traceql
from grafana.generate.promql import rate, select
from grafana.generate.shared import (
    ADMIN_VARIABLE,
    CALL_VARIABLES,
    DATASOURCE,
    DB,
    TRACES,
    row_links,
    trace_link,
)

_CALLS = (
    f'resource.service.name =~ "${{service:regex}}" && span.{semconv.REQUEST_MODEL} =~ "${{model:regex}}" '
    f"&& span.{semconv.CALL_ID} != nil"
)
_COLUMNS = (
    " | select("
    + ", ".join(
        f"span.{name}"
        for name in (
            semconv.REQUEST_MODEL,
            semconv.NODE,
            semconv.USAGE_INPUT_TOKENS,
            semconv.USAGE_OUTPUT_TOKENS,
            semconv.COST_AMOUNT,
            semconv.COST_CURRENCY,
            semconv.USAGE_ID,
        )
    )
    + ")"
)


def build() -> Json:
    """The dashboard."""
    return dashboard(
        "traces",
        "Trace drill-down",
        "The calls behind a figure: slow, dear and failed ones, the spans of one trace, and its rows in the database.",
        [
            Row("Where to look", _charts()),
            Row("Calls", _tables()),
            Row("One trace", _trace()),
        ],
        [
            DATASOURCE,
            TRACES,
            DB,
            *CALL_VARIABLES,
            text_variable("slow", "Slow from", "2s"),
            text_variable("trace_id", "Trace id", ""),
            ADMIN_VARIABLE,
        ],
    )


def _charts() -> list[Panel]:
    buckets = select(semconv.INFERENCE_DURATION, suffix="_bucket")
    return [
        Panel(
            "Duration of calls",
            "Calls by duration. Diamonds are exemplars: each leads to its trace.",
            [query(rate(buckets, ("le",)), "{{le}}", format="heatmap", exemplar=True)],
            "s",
            "heatmap",
            24,
            options={"calculate": False, "yAxis": {"unit": "s"}, "exemplars": {"color": "rgba(255,0,255,0.7)"}},
        )
    ]


def _tables() -> list[Panel]:
    links = [for_field("traceID", links=[trace_link("${__value.raw}")])]
    return [
        _search("Slow calls", "Calls that took at least as long as the variable says.", "&& duration > $slow", links),
        _search("Failed calls", "Calls whose span has the status error.", "&& status = error", links),
        _search(
            "Dear calls",
            "Calls whose cost, in whatever currency, is above 0.01.",
            f"&& span.{semconv.COST_AMOUNT} > 0.01",
            links,
        ),
        _search("All calls", "The newest calls of the chosen services and models.", "", links),
    ]


def _search(title: str, description: str, condition: str, links: list[Json]) -> Panel:
    statement = f"{{ {_CALLS} {condition}".rstrip() + " }" + _COLUMNS
    return table(
        title, f"{description} From Tempo; sampling may have left some out.", [traceql(statement)], "s", overrides=links
    )


def _trace() -> list[Panel]:
    rows = """SELECT id, attempt, created_at, model, node, status, error_type, input_tokens, output_tokens, cost, currency, trace_id
        FROM metering_usage WHERE trace_id = ${trace_id:sqlstring} ORDER BY created_at, attempt LIMIT 200"""
    return [
        Panel(
            "Spans",
            "The trace whose id stands at the top, or that a link has put there.",
            [traceql("$trace_id")],
            "s",
            "traces",
            24,
            14,
        ),
        table(
            "Rows of this trace",
            "One for each attempt, from the database: also where the trace was not sampled. The id leads to Django's admin.",
            [sql(rows)],
            width=24,
            overrides=[for_field("cost", decimals=9), *row_links()],
        ),
    ]
