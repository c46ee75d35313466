"""Cost explorer: who and what spent how much, exactly, from the rows; and the rate of the moment, from the metrics."""

from __future__ import annotations

from agentcore_metering.telemetry import semconv
from grafana.generate.panels import (
    BARS,
    DATABASE,
    STACKED,
    Json,
    Panel,
    Row,
    dashboard,
    for_field,
    query,
    sql,
    stat,
    table,
    text_variable,
)
from grafana.generate.promql import COSTS, or_zero, rate, select, total
from grafana.generate.series import MODEL
from grafana.generate.shared import (
    ADMIN_VARIABLE,
    CALL_VARIABLES,
    CHOSEN_CURRENCY,
    CHOSEN_ROWS,
    COST_VARIABLE,
    DATASOURCE,
    DB,
    NODE_VARIABLE,
    row_links,
)

_ROWS = f"FROM metering_usage WHERE {CHOSEN_ROWS}"
_SPENT = f"{_ROWS} AND {CHOSEN_CURRENCY}"
_MONTH = "date_trunc('month', now(), 'UTC')"
_NEXT_MONTH = f"({_MONTH} + interval '1 month')"
_THIS_MONTH = f"FROM metering_usage WHERE {CHOSEN_CURRENCY} AND created_at >= {_MONTH}"
_MONTH_TO_DATE = f"SELECT coalesce(sum(cost), 0) AS spend {_THIS_MONTH}"
_COST = select(semconv.COST, COSTS)
_WIDTHS = {
    "id": 110,
    "created_at": 170,
    "model": 130,
    "node": 90,
    "user_id": 80,
    "cost": 110,
    "currency": 80,
    "status": 90,
    "trace_id": 90,
}
"""Of the columns of single attempts, in pixels: all of them fit without scrolling on a screen of ordinary width."""
_EXACT = "From the rows, so exact, to the last one that is in the database."


def build() -> Json:
    """The dashboard."""
    return dashboard(
        "cost",
        "Cost explorer",
        "Spend by model, user, node and tenant, exactly and per currency; forecast, budget and what is not priced.",
        [
            Row("This month (UTC), in the chosen currency, whatever time is chosen", _month()),
            Row("In the chosen time", _spend()),
            Row("Who spent it", _spenders()),
            Row("Single calls", _calls()),
            Row("Live, from the metrics", _live()),
        ],
        [
            DATASOURCE,
            DB,
            *CALL_VARIABLES,
            NODE_VARIABLE,
            COST_VARIABLE,
            text_variable("budget", "Monthly budget", "100"),
            text_variable("tenant_key", "Tenant is metadata's", "tenant_id"),
            ADMIN_VARIABLE,
        ],
        [_price_changes()],
    )


def _price_changes() -> Json:
    statement = """SELECT valid_from AS time, concat(model_pattern, ': ', input_per_1m, ' / ', output_per_1m, ' ', currency,
        ' for 1M input / output') AS text, 'price' AS tags FROM metering_prices WHERE $__timeFilter(valid_from)"""
    return {
        "name": "Price changes",
        "datasource": DATABASE,
        "enable": True,
        "iconColor": "purple",
        "target": {**sql(statement), "refId": "Anno"},
        "rawQuery": " ".join(statement.split()),
    }


def _month() -> list[Panel]:
    elapsed = f"extract(epoch FROM now() - {_MONTH})"
    whole = f"extract(epoch FROM {_NEXT_MONTH} - {_MONTH})"
    linear = f"SELECT coalesce(sum(cost), 0) * ({whole} / greatest({elapsed}, 1))::numeric AS spend {_THIS_MONTH}"
    used = f"SELECT coalesce(sum(cost), 0) / greatest(${{budget:sqlstring}}::numeric, 0.000001) AS used {_THIS_MONTH}"
    steps = [
        {"color": "green", "value": None},
        {"color": "orange", "value": 0.8},
        {"color": "red", "value": 1},
    ]
    gauge = Panel(
        "Budget used",
        "Month to date of the budget that the variable at the top names. Alerts have budgets of their own, in the rules.",
        [sql(used)],
        "percentunit",
        "gauge",
        6,
        4,
        defaults={"min": 0, "max": 1.2, "thresholds": {"mode": "absolute", "steps": steps}},
        options={"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}},
    )
    return [
        stat("Month to date", _EXACT, sql(_MONTH_TO_DATE), "short", width=6, decimals=4),
        stat(
            "Month's end, linear",
            "Month to date, continued at its own mean rate.",
            sql(linear),
            "short",
            width=6,
            decimals=4,
        ),
        stat(
            "Month's end, by weekdays",
            "Month to date, and for each day to come the mean of that weekday in the last 28 days; days without calls count as 0.",
            sql(_weekday_forecast()),
            "short",
            width=6,
            decimals=4,
        ),
        gauge,
    ]


def _weekday_forecast() -> str:
    return f"""
        WITH weekdays AS (
            SELECT extract(isodow FROM created_at AT TIME ZONE 'UTC') AS weekday, sum(cost) / 4 AS spend
            FROM metering_usage
            WHERE {CHOSEN_CURRENCY} AND created_at >= date_trunc('day', now(), 'UTC') - interval '28 days'
                AND created_at < date_trunc('day', now(), 'UTC')
            GROUP BY 1
        ), days AS (
            SELECT generate_series(date_trunc('day', now(), 'UTC') + interval '1 day', {_NEXT_MONTH} - interval '1 day',
                interval '1 day') AS day
        )
        SELECT ({_MONTH_TO_DATE}) + coalesce(sum(weekdays.spend), 0) AS spend
        FROM days LEFT JOIN weekdays ON weekdays.weekday = extract(isodow FROM days.day AT TIME ZONE 'UTC')
    """


def _spend() -> list[Panel]:
    unpriced = (
        f"""SELECT coalesce(sum((cost_status = 'unpriced')::int)::numeric / nullif(count(*), 0), 0) AS share {_ROWS}"""
    )
    saved = f"""SELECT coalesce(sum(cache_read_tokens * ((price_snapshot #>> '{{per_token,input}}')::numeric
        - (price_snapshot #>> '{{per_token,cache_read}}')::numeric)), 0) AS saved {_SPENT}"""
    hours = f"""SELECT date_trunc('hour', created_at, 'UTC') AS time, model AS metric, sum(cost) AS spend {_SPENT}
        GROUP BY 1, 2 ORDER BY 1"""
    return [
        table(
            "Spend by currency",
            f"Every currency by itself; they are never added. {_EXACT}",
            [
                sql(
                    f"SELECT currency, sum(cost) AS spend, count(*) AS attempts {_ROWS} AND cost IS NOT NULL GROUP BY 1 ORDER BY 1"
                )
            ],
            width=16,
            height=5,
            overrides=[for_field("spend", decimals=6)],
        ),
        stat(
            "Unpriced attempts",
            "Share of the attempts that used tokens no price is known for. Enter a price and run metering_reprice.",
            sql(unpriced),
            "percentunit",
            thresholds=({"color": "green", "value": None}, {"color": "red", "value": 1e-9}),
        ),
        stat(
            "Saved by caches",
            "What the cached input tokens would have cost more as ordinary ones, by the prices that each row has kept.",
            sql(saved),
            "short",
            decimals=4,
        ),
        Panel(
            "Spend by model and hour",
            f"In the chosen currency, by UTC hour. {_EXACT} Vertical lines are changes of prices.",
            [sql(hours, is_series=True)],
            "short",
            width=24,
            custom=BARS,
            defaults={"min": 0},
        ),
    ]


def _spenders() -> list[Panel]:
    def by(title: str, expression: str, note: str) -> Panel:
        name = title.lower()
        statement = f"""SELECT {expression} AS "{name}", sum(cost) AS spend, count(*) AS attempts,
            sum(input_tokens + output_tokens) AS tokens {_SPENT} GROUP BY 1 ORDER BY 2 DESC LIMIT 20"""
        return table(f"By {name}", f"The twenty that spent most. {note}{_EXACT}", [sql(statement)], width=12)

    return [
        by("Model", "model", ""),
        by("User", "coalesce(user_id, '(nobody)')", "Users are in no metric, so this is the one place. "),
        by("Node", "coalesce(node, '(none)')", "The caller's step. "),
        by(
            "Tenant",
            "coalesce(metadata ->> ${tenant_key:sqlstring}, '(none)')",
            "By the key of `metadata` named at the top. ",
        ),
    ]


def _calls() -> list[Panel]:
    histogram = f"""SELECT to_char(power(10, bucket), 'FM999990.000000000000') AS "from", count(*) AS attempts
        FROM (SELECT floor(log(cost)) AS bucket {_SPENT} AND cost > 0) AS priced GROUP BY bucket ORDER BY bucket"""
    dearest = f"""SELECT id, created_at, model, node, user_id, cost, currency, status, trace_id {_SPENT}
        ORDER BY cost DESC, id LIMIT 20"""
    return [
        Panel(
            "Cost of an attempt",
            "Attempts by cost, in powers of ten: each bar begins at the amount below it.",
            [sql(histogram)],
            "short",
            "barchart",
            8,
            10,
            options={"xField": "from"},
        ),
        table(
            "Dearest attempts",
            "The twenty that cost most. The id leads to the row in Django's admin, the trace to its spans.",
            [sql(dearest)],
            width=16,
            height=10,
            overrides=[
                for_field("cost", decimals=9),
                *(for_field(name, **{"custom.width": width}) for name, width in _WIDTHS.items()),
                *row_links(),
            ],
        ),
    ]


def _live() -> list[Panel]:
    return [
        Panel(
            "Spend per hour by model",
            "At the rate of the moment, before the rows are looked at.",
            [query(f"3600 * {rate(_COST, (MODEL,))}", f"{{{{{MODEL}}}}}")],
            "short",
            width=20,
            custom=STACKED,
        ),
        stat(
            "Spend by the counters",
            "The same sum as by the rows, up to the last export. The reconciliation dashboard compares the two.",
            query(or_zero(total(_COST)), instant=True),
            "short",
            decimals=4,
        ),
    ]
