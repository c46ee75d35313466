"""What several dashboards have in common: their variables, the links between them, and columns of tables."""

from __future__ import annotations

from agentcore_metering.telemetry import semconv
from grafana.generate.panels import UID, Json, for_field, metric_variable, source_variable, sql_variable, text_variable
from grafana.generate.series import CURRENCY, ENVIRONMENT, MODEL, OPERATION, SERVICE, series

_ATTEMPTS = series(semconv.ATTEMPTS)
_OF_SERVICE = f'{{{SERVICE}=~"$service"}}'

DATASOURCE = source_variable("datasource", "Metrics", "prometheus")
DB = source_variable("db", "Database", "grafana-postgresql-datasource")
TRACES = source_variable("tempo", "Traces", "tempo")

CALL_VARIABLES = [
    metric_variable("service", SERVICE, _ATTEMPTS),
    metric_variable("environment", ENVIRONMENT, _ATTEMPTS, where=_OF_SERVICE),
    metric_variable("model", MODEL, _ATTEMPTS, where=_OF_SERVICE),
    metric_variable("operation", OPERATION, _ATTEMPTS, where=_OF_SERVICE),
]
COST_VARIABLE = metric_variable("currency", CURRENCY, series(semconv.COST), has_all=False)
NODE_VARIABLE = sql_variable("node", "SELECT DISTINCT coalesce(node, '(none)') FROM metering_usage ORDER BY 1")
ADMIN_VARIABLE = text_variable("admin_url", "Django admin", "http://127.0.0.1:8000/admin")

CHOSEN_ROWS = (
    "$__timeFilter(created_at) AND model ~ '^(${model:regex})$' AND coalesce(node, '(none)') IN (${node:sqlstring})"
)
"""The rows of a SQL panel: the chosen time, models (the variable's values are Prometheus') and nodes."""
CHOSEN_CURRENCY = "currency = ${currency:sqlstring}"


def trace_link(trace_id: str) -> Json:
    """A link to a trace on the drill-down dashboard."""
    return {"title": "Trace", "url": f"/d/{UID}traces?var-trace_id={trace_id}&${{__url_time_range}}"}


def slow_traces_link() -> Json:
    """From a point of a chart by model to the traces of that model and time."""
    return {
        "title": "Traces of this model",
        "url": f"/d/{UID}traces?var-model=${{__field.labels.{MODEL}}}&${{service:queryparam}}&${{__url_time_range}}",
    }


def row_links() -> list[Json]:
    """Overrides of a table of rows: the id leads to the row in Django's admin, the trace id to the trace."""
    admin = {"title": "Row in the admin", "targetBlank": True}
    admin["url"] = "${admin_url}/agentcore_metering/llmusage/${__value.raw}/change/"
    return [
        for_field("id", links=[admin]),
        for_field("trace_id", links=[trace_link("${__value.raw}")]),
    ]
