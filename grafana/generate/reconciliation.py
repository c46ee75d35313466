"""Reconciliation: whether rows and counters tell the same, hour by hour."""

from __future__ import annotations

from agentcore_metering.telemetry import semconv
from grafana.generate.panels import (
    GREEN_THEN_RED,
    Json,
    Panel,
    Row,
    dashboard,
    for_field,
    query,
    sql,
    stat,
    table,
)
from grafana.generate.promql import CALLS, COSTS, PROCESS, or_zero, select, total
from grafana.generate.shared import CALL_VARIABLES, CHOSEN_CURRENCY, COST_VARIABLE, DATASOURCE, DB

_LAG = (
    "Each hour stands at its end. A call of the last seconds before it is exported after it, so its counters fall into the next hour: "
    "what one hour lacks the next one has too much. The last hour is not over."
)
_HOURS = "FROM metering_usage_hourly WHERE $__timeFilter(hour) AND model ~ '^(${model:regex})$'"
# Embeddings have no token counters, by the conventions.
_WITH_COUNTERS = "AND coalesce(operation, '') <> 'embeddings'"
_ROWS = "FROM metering_usage WHERE $__timeFilter(created_at) AND model ~ '^(${model:regex})$'"
_INPUT, _OUTPUT = semconv.INFERENCE_INPUT_TOKENS, semconv.INFERENCE_OUTPUT_TOKENS


def build() -> Json:
    """The dashboard."""
    return dashboard(
        "reconciliation",
        "Reconciliation",
        "Rows of the database and counters of the metrics, side by side. `manage.py metering_reconcile` compares them exactly and "
        "names the likely cause of a difference.",
        [
            Row("In the chosen time", _figures()),
            Row("Hour by hour", _hours()),
            Row("Rows that some view lacks", _lacking()),
        ],
        [DATASOURCE, DB, *CALL_VARIABLES, COST_VARIABLE],
    )


def _figures() -> list[Panel]:
    return [
        stat(
            "Attempts: rows", "Rows in the database.", sql(f"SELECT count(*) AS attempts {_ROWS}"), "short", decimals=0
        ),
        stat(
            "Attempts: counters",
            "The same by the counters, up to the last export.",
            query(or_zero(total(select(semconv.ATTEMPTS))), instant=True),
            "short",
            decimals=0,
        ),
        stat(
            "Cost: rows",
            "In the chosen currency.",
            sql(f"SELECT coalesce(sum(cost), 0) AS cost {_ROWS} AND {CHOSEN_CURRENCY}"),
            "short",
            decimals=5,
        ),
        stat(
            "Cost: counters",
            "The same by the counters, up to the last export.",
            query(or_zero(total(select(semconv.COST, COSTS))), instant=True),
            "short",
            decimals=5,
        ),
        stat(
            "Records on their way",
            "Counted already, and not yet in the database.",
            query(or_zero(f"sum ({select(semconv.SPOOL_RECORDS, PROCESS)})"), instant=True),
            "short",
            decimals=0,
        ),
        stat(
            "Unpriced rows",
            "Rows whose tokens have no price: they are in no cost.",
            sql(f"SELECT count(*) AS unpriced {_ROWS} AND cost_status = 'unpriced'"),
            "short",
            thresholds=GREEN_THEN_RED,
            decimals=0,
        ),
    ]


def _hours() -> list[Panel]:
    return [
        _compared("Attempts by hour", "attempts", semconv.ATTEMPTS, CALLS, ""),
        _compared("Cost by hour", "cost", semconv.COST, COSTS, f"AND {CHOSEN_CURRENCY}"),
        _compared("Input tokens by hour", "input_tokens", _INPUT, CALLS, _WITH_COUNTERS),
        _compared("Output tokens by hour", "output_tokens", _OUTPUT, CALLS, _WITH_COUNTERS),
        _differing_hours(),
    ]


def _hourly_targets(column: str, metric: str, matchers: str, condition: str) -> list[Json]:
    statement = (
        f"""SELECT hour + interval '1 hour' AS time, sum({column}) AS rows {_HOURS} {condition} GROUP BY 1 ORDER BY 1"""
    )
    hourly = total(select(metric, matchers), window="1h")
    return [sql(statement, is_series=True), query(hourly, "counters", interval="1h")]


_DIFFERENCE = [
    {"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}},
    {
        "id": "calculateField",
        "options": {
            "alias": "difference",
            "mode": "binary",
            "reduce": {"reducer": "sum"},
            "binary": {"left": "rows", "operator": "-", "right": "counters"},
        },
    },
]


def _compared(title: str, column: str, metric: str, matchers: str, condition: str) -> Panel:
    return Panel(
        title,
        f"Rows, counters and their difference. {_LAG}",
        _hourly_targets(column, metric, matchers, condition),
        "short",
        custom={"drawStyle": "line", "showPoints": "always"},
        transformations=_DIFFERENCE,
        overrides=[for_field("difference", color={"mode": "fixed", "fixedColor": "red"})],
    )


def _differing_hours() -> Panel:
    beyond = {"id": "notEqual", "options": {"value": 0}}
    only_differing = {
        "id": "filterByValue",
        "options": {"type": "include", "match": "any", "filters": [{"fieldName": "difference", "config": beyond}]},
    }
    return table(
        "Hours that differ",
        f"Hours whose rows and counters are not the same number of attempts. {_LAG}",
        _hourly_targets("attempts", semconv.ATTEMPTS, CALLS, ""),
        width=24,
        transformations=[*_DIFFERENCE, only_differing],
    )


def _lacking() -> list[Panel]:
    untraced = f"""SELECT model, count(*) AS attempts {_ROWS} AND (trace_id IS NULL OR trace_sampled IS NOT TRUE)
        GROUP BY 1 ORDER BY 2 DESC"""
    unpriced = f"""SELECT model, provider, count(*) AS attempts, sum(input_tokens + output_tokens) AS tokens {_ROWS}
        AND cost_status = 'unpriced' GROUP BY 1, 2 ORDER BY 3 DESC"""
    interrupted = f"SELECT model, count(*) AS attempts {_ROWS} AND status = 'interrupted' GROUP BY 1 ORDER BY 2 DESC"
    return [
        table(
            "Rows without a recorded trace",
            "Not traced, or not sampled: their links lead nowhere.",
            [sql(untraced)],
            width=8,
        ),
        table("Rows without a price", "Enter a price for them and run metering_reprice.", [sql(unpriced)], width=8),
        table(
            "Rows without counters",
            "Attempts whose process died: somebody else wrote the row, and nobody counted.",
            [sql(interrupted)],
            width=8,
        ),
    ]
