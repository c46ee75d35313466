"""With real servers: every panel has data, and rows, API and counters tell the same to the last digit.

Needs PostgreSQL, a collector, Prometheus, VictoriaMetrics and vmagent: `DATABASE_URL=... OTELCOL_BIN=... pytest -m servers tests/grafana`.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from agentcore_metering.telemetry import semconv
from grafana.generate.promql import select, total
from grafana.generate.series import CURRENCY, MODEL
from tests.grafana import shipped, stage
from tests.grafana.documents import DASHBOARDS, Target, filled_in, targets
from tests.grafana.engines import Engine
from tests.grafana.scene import NINE, SERVICE, WORKERS, Scene, answers, count_rows, in_sql
from tests.grafana.stage import wait_until
from tests.grafana.test_dashboards import EMITTED

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(stage.missing()), reason=f"lacks {stage.missing()}"),
]

EMPTY_IS_WELL = {"Rows without counters", "Rows without a recorded trace"}
"""Panels that show something only where a process was killed, or traces are sampled."""

ENGINES = (shipped.NAME, "prometheus", "victoria-metrics")
every_engine = pytest.mark.parametrize("engine_name", ENGINES)


def problems(scene: Scene, engine: Engine, query: dict[str, Any]) -> list[str]:
    """What is wrong with a target: no data, or a legend that names labels which no result has."""
    found = answers(scene, engine, query)
    if not found:
        return ["no data"]
    wanted = re.findall(r"\{\{\s*(\w+)\s*\}\}", query["legendFormat"])
    return [f"no label {name}" for name in wanted if not any(name in each["metric"] for each in found)]


@every_engine
@pytest.mark.parametrize("target", targets("prometheus"), ids=lambda target: target.name)
def test_every_panel_has_data(scene: Scene, target: Target, engine_name: str) -> None:
    assert problems(scene, scene.engines[engine_name], dict(target.query)) == []


@pytest.mark.parametrize("target", targets("grafana-postgresql-datasource"), ids=lambda target: target.name)
def test_every_statement_answers_the_role_that_only_reads(scene: Scene, target: Target) -> None:
    rows = scene.rows(in_sql(scene, target.query["rawSql"]))

    assert rows or target.panel["title"] in EMPTY_IS_WELL


@pytest.mark.parametrize("name", DASHBOARDS)
def test_statements_of_variables_and_annotations_answer_too(scene: Scene, name: str) -> None:
    statements = [
        variable["query"]
        for variable in DASHBOARDS[name]["templating"]["list"]
        if variable["type"] == "query" and isinstance(variable["query"], str)
    ]
    statements += [annotation["rawQuery"] for annotation in DASHBOARDS[name]["annotations"]["list"]]

    for statement in statements:
        scene.rows(in_sql(scene, statement))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM llm_tracker_usage",
        "SELECT * FROM agentcore_metering_llm_config",
        "SELECT * FROM auth_user",
        "CREATE TABLE mine (id int)",
        "DELETE FROM metering_usage",
    ],
)
def test_the_role_that_only_reads_can_do_nothing_else(scene: Scene, statement: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
        scene.rows(statement)


COSTS = "SELECT model, currency, sum(cost) FROM metering_usage WHERE cost IS NOT NULL GROUP BY 1, 2"


def costs_of_rows(scene: Scene) -> dict[tuple[str, ...], Decimal]:
    return {(model, currency): amount.quantize(NINE) for model, currency, amount in scene.rows(COSTS) if amount}


def test_the_play_was_of_everything(scene: Scene) -> None:
    statuses = {row[0] for row in scene.rows("SELECT DISTINCT status FROM metering_usage")}
    processes = scene.engines["prometheus"].query(
        f"count (count by (service_instance_id) (last_over_time({select(semconv.ATTEMPTS, SERVICE)}[{scene.window}])))",
        scene.end_s,
    )

    assert statuses == {"succeeded", "failed", "cancelled"}
    assert {currency for _, currency in costs_of_rows(scene)} == {"USD", "CNY"}
    assert scene.rows("SELECT count(*) FROM metering_usage WHERE cost_status = 'unpriced'")[0][0] > 0
    assert int(processes[0]["value"][1]) == len(WORKERS) + 1


@every_engine
def test_cost_of_the_counters_is_that_of_the_rows(scene: Scene, engine_name: str) -> None:
    assert scene.total(engine_name, semconv.COST, SERVICE, (MODEL, CURRENCY)) == costs_of_rows(scene)


@every_engine
def test_attempts_of_the_counters_are_the_rows(scene: Scene, engine_name: str) -> None:
    rows = {
        (model,): Decimal(count).quantize(NINE)
        for model, count in scene.rows("SELECT model, count(*) FROM metering_usage GROUP BY 1")
    }

    assert scene.total(engine_name, semconv.ATTEMPTS, SERVICE, (MODEL,)) == rows


TOKENS = {
    semconv.INFERENCE_INPUT_TOKENS: "input_tokens",
    semconv.INFERENCE_OUTPUT_TOKENS: "output_tokens",
    semconv.INFERENCE_CACHE_READ_INPUT_TOKENS: "cache_read_tokens",
    semconv.INFERENCE_REASONING_OUTPUT_TOKENS: "reasoning_tokens",
}


@every_engine
@pytest.mark.parametrize(("metric", "column"), TOKENS.items(), ids=TOKENS.values())
def test_tokens_of_the_counters_are_those_of_the_rows(scene: Scene, engine_name: str, metric: str, column: str) -> None:
    statement = f"SELECT model, sum({column}) FROM metering_usage WHERE operation <> 'embeddings' GROUP BY 1"
    rows = {(model,): Decimal(count).quantize(NINE) for model, count in scene.rows(statement) if count}

    assert scene.total(engine_name, metric, SERVICE, (MODEL,)) == rows


def test_the_api_tells_what_the_rows_do(scene: Scene) -> None:
    stats = json.loads(scene.host.run("tests.grafana.api_figures"))
    costs = {
        (each["model"].split("/", 1)[-1], cost["currency"]): Decimal(cost["amount"]).quantize(NINE)
        for each in stats["by_model"]
        for cost in each["costs"]
        if Decimal(cost["amount"])
    }

    assert costs == costs_of_rows(scene)
    assert sum(each["total_calls"] for each in stats["by_model"]) == count_rows(scene.host)


def figure_in_sql(scene: Scene, title: str) -> Decimal:
    statement = next(target.query["rawSql"] for target in targets() if target.panel["title"] == title)
    return Decimal(scene.rows(in_sql(scene, statement))[0][0])


def test_figures_of_the_cost_explorer_are_those_of_the_rows(scene: Scene) -> None:
    dollars = sum((amount for (_, currency), amount in costs_of_rows(scene).items() if currency == "USD"), Decimal(0))

    assert figure_in_sql(scene, "Month to date").quantize(NINE) == dollars
    assert figure_in_sql(scene, "Cost: rows").quantize(NINE) == dollars
    assert figure_in_sql(scene, "Month's end, linear") > dollars
    assert figure_in_sql(scene, "Month's end, by weekdays").quantize(NINE) == dollars  # no day before today had calls
    assert figure_in_sql(scene, "Budget used").quantize(NINE) == (dollars / 100).quantize(NINE)
    assert figure_in_sql(scene, "Saved by caches") > 0


def test_hours_of_the_counters_add_up_to_the_rows(scene: Scene) -> None:
    """As the reconciliation dashboard asks: at the ends of hours, for the hour before each."""
    first, last = (math.floor(scene.start_s / 3600) + 1, math.ceil(scene.end_s / 3600))
    hourly = total(select(semconv.ATTEMPTS, SERVICE), window="1h")
    found = scene.engines["prometheus"].query_range(hourly, first * 3600, last * 3600, 3600)

    assert sum(float(value) for each in found for _, value in each["values"]) == count_rows(scene.host)


@every_engine
def test_metering_reconcile_finds_rows_and_counters_equal(scene: Scene, engine_name: str) -> None:
    ended = reconcile(scene, engine_name)

    assert ended["agree"] is True, ended
    assert {each["figure"] for each in ended["totals"]} == {"attempts", "cost", "input_tokens", "output_tokens"}


def reconcile(scene: Scene, engine_name: str) -> dict[str, Any]:
    """What the command says of all hours of the play with no tolerance, also of the one that is not over."""
    hours = (math.floor(scene.start_s / 3600) * 3600, math.ceil(scene.end_s / 3600) * 3600)
    first, last = (datetime.fromtimestamp(moment, UTC).isoformat() for moment in hours)
    options = ["--from", first, "--to", last, "--tolerance", "0", "--service", "example-host", "--json"]
    url = scene.engines[engine_name].url
    said: dict[str, Any] = json.loads(scene.host.run("example.manage", "metering_reconcile", "--url", url, *options))
    return said


# Planted faults ------------------------------------------------------------------------------------------------------

PLANTED: dict[str, Callable[[str], str]] = {
    "a renamed metric": lambda text: text.replace("agentcore_metering_calls_total", "agentcore_metering_call_total"),
    "a label of somebody else's": lambda text: text.replace('service_name=~"$service"', 'telemetry_sdk_name="openlit"'),
    "a unit that is not in the name": lambda text: text.replace("duration_seconds_bucket", "duration_bucket"),
    "a legend label that is not grouped by": lambda text: text,
}


@every_engine
@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_caught(scene: Scene, fault: str, engine_name: str) -> None:
    expression = {
        "a unit that is not in the name": 'sum by (le) (rate(gen_ai_client_inference_duration_seconds_bucket{service_name=~"$service"}[5m]))',
    }.get(
        fault,
        'sum by (gen_ai_request_model) (rate(agentcore_metering_calls_total{service_name=~"$service"}[$__range]))',
    )
    legend = "{{nobody}}" if fault.startswith("a legend") else ""
    sound = {"expr": expression, "instant": True, "legendFormat": ""}

    assert problems(scene, scene.engines[engine_name], sound) == []
    assert problems(
        scene, scene.engines[engine_name], sound | {"expr": PLANTED[fault](expression), "legendFormat": legend}
    )


def send(otlp: str, service: str, *processes: list[int], instance: str | None = None, delta: bool = False) -> None:
    """Counters of attempts from several processes at once: each list is what one adds before each of its exports."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import Counter, MeterProvider
    from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    temporality = {Counter: AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE}
    providers, counters = [], []
    for number, _ in enumerate(processes):
        exporter = OTLPMetricExporter(f"{otlp}/v1/metrics", preferred_temporality=temporality)
        resource = Resource.create({"service.name": service, "service.instance.id": instance or f"{service}-{number}"})
        provider = MeterProvider(
            [PeriodicExportingMetricReader(exporter, math.inf)], resource=resource, shutdown_on_exit=False
        )
        providers.append(provider)
        counters.append(provider.get_meter("planted").create_counter(semconv.ATTEMPTS, semconv.ATTEMPT_UNIT))
    for added in zip(*processes, strict=True):
        for provider, counter, count in zip(providers, counters, added, strict=True):
            counter.add(count, {semconv.REQUEST_MODEL: "m"})
            provider.force_flush()
            time.sleep(1.1)  # the engines keep one sample of a series for a moment
    for provider in providers:
        provider.shutdown()


def _figure(scene: Scene, engine: Engine, title: str, service: str) -> float:
    query = next(target.query for target in targets("prometheus") if target.panel["title"] == title)
    expression = filled_in(query["expr"], scene.values() | {"service": service, "__range": "10m"})
    return float(engine.query(expression, time.time())[0]["value"][1])


@every_engine
def test_two_processes_that_share_an_instance_id_show(scene: Scene, engine_name: str) -> None:
    engine, service = scene.engines[engine_name], f"shared-{engine_name}"
    send(scene.otlp, service, [10, 1, 1], [2, 1, 1], instance="same")
    wait_until(lambda: _figure(scene, engine, "Restarted series", service) > 0, "a restart")

    assert _figure(scene, engine, "Restarted series", "example-host") == 0


@every_engine
def test_delta_temporality_shows_as_a_total_that_is_not_what_was_sent(scene: Scene, engine_name: str) -> None:
    service = f"delta-{engine_name}"
    send(scene.otlp, service, [4, 3, 2], delta=True)
    send(scene.otlp, f"{service}-not", [4, 3, 2])
    engine = scene.engines[engine_name]

    def counted(name: str) -> float:
        found = engine.query(total(select(semconv.ATTEMPTS, f'service_name="{name}"'), window="10m"), time.time())
        return float(found[0]["value"][1]) if found else 0.0

    wait_until(lambda: counted(f"{service}-not") == 9, "the sum of what was sent")
    assert counted(service) != 9


def test_the_collectors_configuration_is_valid_as_it_is() -> None:
    subprocess.run(
        [stage.OTELCOL, "validate", "--config", str(stage.ROOT / "otel/collector.yaml")], check=True, timeout=30
    )


def test_nothing_arrives_that_the_registry_does_not_name(scene: Scene) -> None:
    """The other way round: what the engines have of ours is what dashboards and rules can know of."""
    prefixes = '{__name__=~"(agentcore_metering|gen_ai)_.*",service_name="example-host"}'
    found = scene.engines["victoria-metrics"].query(
        f"count by (__name__) (last_over_time({prefixes}[{scene.window}]))", scene.end_s
    )
    names = {each["metric"]["__name__"] for each in found}

    assert names
    assert names <= set(EMITTED)
