"""The configuration, rules and flags of the shipped Prometheus in a real one: exemplars, late samples, labels, rules, its own scrape.

What holds of every engine, totals and panels first of all, is in `test_with_servers`, where this one is among the engines.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric, NumberDataPoint

from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.prometheus import RESOURCE_LABELS
from tests.grafana import shipped, stage
from tests.grafana.documents import COLLECTOR, Rule, Target, filled_in, rules, selectors, targets
from tests.grafana.engines import Engine
from tests.grafana.scene import Scene
from tests.grafana.stage import wait_until

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(stage.missing()), reason=f"lacks {stage.missing()}"),
]

MINUTE_S = 60
CLOCKS_S = 0.001
WITHOUT_FAULTS = {"agentcore_metering_contained_errors_total"}
"""Series that begin with the first fault: what they are counted by is not known before."""
RECORDED = {rule.name for rule in rules() if not rule.is_alert}
WITH_EXEMPLARS = [target for target in targets("prometheus") if target.query.get("exemplar")]


@pytest.fixture(scope="module")
def engine(scene: Scene) -> Engine:
    return scene.engines[shipped.NAME]


def found_exemplars(scene: Scene, engine: Engine, target: Target) -> list[dict[str, Any]]:
    expression = filled_in(target.query["expr"], scene.values())
    series = engine.exemplars(expression, scene.start_s, scene.end_s)
    return [exemplar for each in series for exemplar in each["exemplars"]]


def test_there_are_panels_with_exemplars() -> None:
    assert {target.dashboard for target in WITH_EXEMPLARS} == {"overview", "traces"}


@pytest.mark.parametrize("target", WITH_EXEMPLARS, ids=lambda target: target.name)
def test_exemplars_of_a_panel_lead_to_traces_of_the_rows(scene: Scene, engine: Engine, target: Target) -> None:
    traces = {row[0] for row in scene.rows("SELECT DISTINCT trace_id FROM metering_usage WHERE trace_id IS NOT NULL")}
    led_to = {exemplar["labels"]["trace_id"] for exemplar in found_exemplars(scene, engine, target)}

    assert led_to
    assert led_to <= traces


def test_an_exemplar_is_of_the_call_that_it_leads_to(scene: Scene, engine: Engine) -> None:
    """A call takes at least as long as its attempts; where it is the first of a process, much longer."""
    statement = "SELECT trace_id, sum(duration_s) FROM metering_usage GROUP BY 1"
    least_s = {trace_id: float(duration_s) for trace_id, duration_s in scene.rows(statement)}
    shown = {
        exemplar["labels"]["trace_id"]: float(exemplar["value"])
        for target in WITH_EXEMPLARS
        for exemplar in found_exemplars(scene, engine, target)
    }

    assert [trace_id for trace_id, value in shown.items() if value < least_s[trace_id] - CLOCKS_S] == []


def test_series_have_the_promoted_labels(scene: Scene, engine: Engine) -> None:
    by = f"count by (job, instance, {', '.join(RESOURCE_LABELS)})"
    found = engine.query(f"{by} (last_over_time(agentcore_metering_calls_total[{scene.window}]))", scene.end_s)

    for labels in (each["metric"] for each in found):
        assert labels["service_name"] == labels["job"] == "example-host"
        assert labels["service_instance_id"] == labels["instance"]
        assert labels["deployment_environment_name"] == "test"


def test_the_collector_is_scraped_under_the_name_that_an_alert_asks_for(scene: Scene, engine: Engine) -> None:
    assert [each["value"][1] for each in engine.query('up{job="otel-collector"}', time.time())] == ["1"]


# Rules ---------------------------------------------------------------------------------------------------------------


def test_all_rules_are_loaded(engine: Engine) -> None:
    loaded = [rule for group in engine.ask("rules")["groups"] for rule in group["rules"]]

    assert sorted(rule["name"] for rule in loaded) == sorted(rule.name for rule in rules())
    assert [rule["lastError"] for rule in loaded if rule.get("lastError")] == []


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_can_be_evaluated_over_what_processes_send(scene: Scene, engine: Engine, rule: Rule) -> None:
    engine.query(rule.expression, scene.end_s)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_what_a_rule_asks_for_is_there(scene: Scene, engine: Engine, rule: Rule) -> None:
    for selector in selectors(rule.expression):
        if selector.name in RECORDED | WITHOUT_FAULTS or COLLECTOR.search(selector.name):
            continue
        assert engine.query(f"last_over_time({selector.name}[{scene.window}])", scene.end_s), selector.name


# Late samples --------------------------------------------------------------------------------------------------------


def send_late(scene: Scene, service: str, *samples: tuple[float, int]) -> None:
    """Samples of a counter, each at its time and in a request of its own, through the collector."""
    resource = {"service.name": service, "service.instance.id": "late", "deployment.environment.name": "test"}
    for at_s, value in samples:
        request = ExportMetricsServiceRequest()
        metrics = request.resource_metrics.add()
        metrics.resource.attributes.extend(
            KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in resource.items()
        )
        metric = Metric(name=semconv.ATTEMPTS, unit=semconv.ATTEMPT_UNIT)
        metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.is_monotonic = True
        metric.sum.data_points.append(NumberDataPoint(time_unix_nano=int(at_s * 1e9), as_int=value))
        metrics.scope_metrics.add().metrics.append(metric)
        answer = requests.post(
            f"{scene.otlp}/v1/metrics",
            request.SerializeToString(),
            headers={"Content-Type": "application/x-protobuf"},
            timeout=10,
        )
        answer.raise_for_status()
        time.sleep(1.2)  # the collector joins what comes within a second


def counted(engine: Engine, service: str, at_s: float) -> Callable[[], list[str]]:
    expression = f'{semconv.ATTEMPTS.replace(".", "_")}_total{{service_name="{service}"}}'
    return lambda: [each["value"][1] for each in engine.query(expression, at_s)]


def test_a_sample_that_comes_late_within_the_window_is_taken(scene: Scene, engine: Engine) -> None:
    now_s = time.time()
    send_late(scene, "late", (now_s, 9), (now_s - 10 * MINUTE_S, 4))

    wait_until(lambda: counted(engine, "late", now_s)() == ["9"], "the sample of now")
    wait_until(lambda: counted(engine, "late", now_s - 10 * MINUTE_S)() == ["4"], "the late sample")
    # An engine without the window has the first one alone.
    assert counted(scene.engines["prometheus"], "late", now_s)() == ["9"]
    assert counted(scene.engines["prometheus"], "late", now_s - 10 * MINUTE_S)() == []


def test_a_sample_from_before_the_window_is_refused_and_said_to_be(scene: Scene, engine: Engine) -> None:
    now_s = time.time()
    before = len(scene.receiver.refused)
    send_late(scene, "too-late", (now_s, 9), (now_s - 40 * MINUTE_S, 4))

    wait_until(lambda: len(scene.receiver.refused) > before, "a refusal")
    assert counted(engine, "too-late", now_s - 40 * MINUTE_S)() == []
