"""What is counted and measured of calls, by which attributes, and how many names of models."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.metrics import Histogram, NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from agentcore_metering.core.types import CallContext, ModelTarget, Status
from agentcore_metering.telemetry import metrics, semconv
from agentcore_metering.telemetry.metrics import (
    DEFAULT_MAX_MODELS,
    CallMetrics,
    Instruments,
    are_legacy_names_wanted,
)
from agentcore_metering.telemetry.observer import TelemetryObserver
from agentcore_metering.telemetry.tally import hand_over
from tests.telemetry import builders
from tests.telemetry.builders import observe
from tests.telemetry.recording import Points, RecordedTelemetry, record_telemetry

BASE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "server.address": "api.openai.com",
    "server.port": 443,
}


def test_exemplars_of_a_sampled_call_carry_its_trace_id(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, builders.cancelled_stream())
    observe(telemetry.observer, builders.retried_call())

    trace_ids = {trace.format_trace_id(ids.trace_id) for span in telemetry.spans if (ids := span.get_span_context())}
    linked = {
        metric.name: {trace.format_trace_id(exemplar.trace_id) for exemplar in point.exemplars if exemplar.trace_id}
        for metric in telemetry.metrics().values()
        for point in metric.data.data_points
    }
    assert len(linked) == 14
    assert all(ids and ids <= trace_ids for ids in linked.values())


def test_metrics_carry_no_user_node_or_metadata(telemetry: RecordedTelemetry) -> None:
    for user_id in range(50):
        caller = CallContext(
            user_id=user_id,
            node_name=f"node-{user_id}",
            metadata={"trace_id": user_id},
            conversation_id=f"talk-{user_id}",
        )
        attempt = builders.attempt(context=caller)
        observe(telemetry.observer, replace(builders.call(attempt), context=caller))

    assert {name: len(points) for name, points in telemetry.points().items() if len(points) != 1} == {}


def test_the_meter_names_the_schema_of_its_names(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, builders.succeeded_call())

    collected: Any = telemetry.reader.get_metrics_data()
    (resource,) = collected.resource_metrics
    assert {scope.scope.schema_url for scope in resource.scope_metrics} == {semconv.SCHEMA_URL}


def test_cost_that_is_unknown_adds_nothing(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, builders.call(builders.attempt(cost=None)))

    assert "agentcore_metering.cost" not in telemetry.points()


def test_cost_that_is_free_is_a_series_of_zero(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, builders.call(builders.attempt(cost=builders.cost("0"))))

    ((_, value),) = telemetry.points()["agentcore_metering.cost"]
    assert value == 0


def test_chunk_times_are_not_recorded_without_streaming(telemetry: RecordedTelemetry) -> None:
    record = replace(builders.succeeded_call(), time_to_first_chunk_s=0.5, chunk_intervals_s=(0.1,))

    observe(telemetry.observer, record)

    assert (
        not {semconv.INFERENCE_TIME_TO_FIRST_CHUNK, semconv.INFERENCE_TIME_PER_OUTPUT_CHUNK} & telemetry.points().keys()
    )


def test_embeddings_that_failed_are_timed_and_measure_no_tokens(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, builders.call(builders.failed_attempt(target=builders.EMBEDDINGS)))

    points = telemetry.points()
    ((attributes, value),) = points["gen_ai.client.embeddings.duration"]
    assert (attributes["error.type"], value) == ("RateLimitError", (1, 2.0))
    assert "gen_ai.client.embeddings.operation.input_tokens" not in points


@pytest.mark.parametrize(
    ("opt_in", "is_wanted"),
    [
        ("", False),
        ("gen_ai/dup", True),
        ("http/dup, gen_ai/dup", True),
        ("http/dup,gen_ai_latest_experimental", False),
    ],
)
def test_legacy_names_are_wanted_when_the_environment_opts_in(
    monkeypatch: pytest.MonkeyPatch, opt_in: str, is_wanted: bool
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", opt_in)

    assert are_legacy_names_wanted() is is_wanted


LEGACY_POINTS: dict[str, Points] = {
    "cancelled_stream": {
        "gen_ai.client.token.usage": [
            (BASE | {"gen_ai.token.type": "input"}, (1, 9)),
            (BASE | {"gen_ai.token.type": "output"}, (1, 3)),
        ],
        "gen_ai.client.operation.duration": [(BASE, (1, 2.0))],
        "gen_ai.client.operation.time_to_first_chunk": [(BASE, (1, 0.25))],
        "gen_ai.client.operation.time_per_output_chunk": [(BASE, (2, 0.625))],
    },
    "failed_call": {
        "gen_ai.client.operation.duration": [
            ({k: v for k, v in BASE.items() if k != "gen_ai.response.model"} | {"error.type": "Timeout"}, (1, 2.0))
        ],
    },
    "embeddings_call": {
        "gen_ai.client.token.usage": [
            (
                BASE
                | {
                    "gen_ai.operation.name": "embeddings",
                    "gen_ai.request.model": "text-embedding-3-small",
                    "gen_ai.response.model": "text-embedding-3-small",
                    "gen_ai.token.type": "input",
                },
                (1, 7),
            )
        ],
        "gen_ai.client.operation.duration": [
            (
                BASE
                | {
                    "gen_ai.operation.name": "embeddings",
                    "gen_ai.request.model": "text-embedding-3-small",
                    "gen_ai.response.model": "text-embedding-3-small",
                },
                (1, 2.0),
            )
        ],
    },
}


@pytest.mark.parametrize("scenario", LEGACY_POINTS)
def test_opting_in_adds_the_legacy_metrics_and_changes_no_other(monkeypatch: pytest.MonkeyPatch, scenario: str) -> None:
    plain = record_telemetry()
    observe(plain.observer, getattr(builders, scenario)())
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai/dup")
    both = record_telemetry()
    observe(both.observer, getattr(builders, scenario)())

    assert both.points() == plain.points() | LEGACY_POINTS[scenario]
    plain.close()
    both.close()


def test_instruments_of_one_provider_are_shared_by_its_observers() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    record = builders.attempt()

    for _ in range(2):
        CallMetrics(provider).attempt_ended(record, trace.INVALID_SPAN_CONTEXT, will_retry=False)

    collected = reader.get_metrics_data()
    assert collected is not None
    (resource,) = collected.resource_metrics
    (scope,) = resource.scope_metrics
    attempts = next(metric for metric in scope.metrics if metric.name == semconv.ATTEMPTS)
    assert attempts.data.data_points[0].value == 2  # type: ignore[union-attr]  # a counter's point has a value
    provider.shutdown()


class MeterWithoutAdvice(NoOpMeter):
    """`Meter` as early releases of opentelemetry-api have it."""

    def create_histogram(self, name: str, unit: str = "", description: str = "") -> Histogram:  # type: ignore[override]
        return super().create_histogram(name, unit, description)


def test_histograms_are_made_by_a_meter_that_takes_no_advice() -> None:
    instruments = Instruments(MeterWithoutAdvice("old"), semconv.INSTRUMENTS + semconv.LEGACY_INSTRUMENTS)

    assert len(instruments.histograms) == 11  # 7 + 4 of v1.41


def test_base_attributes_are_built_once_for_a_target_and_model(monkeypatch: pytest.MonkeyPatch) -> None:
    hand_over()  # what earlier tests left would be built here, too
    built: list[Any] = []

    def build(target: ModelTarget, response_model: str | None) -> dict[str, Any]:
        built.append((target, response_model))
        return {}

    hand_over()  # what earlier tests have left is not to be built here
    monkeypatch.setattr("agentcore_metering.telemetry.metrics.base_attributes", build)
    metrics = CallMetrics(MeterProvider(shutdown_on_exit=False))
    for status in (Status.SUCCEEDED, Status.CANCELLED):
        metrics.attempt_ended(builders.attempt(status=status), trace.INVALID_SPAN_CONTEXT, will_retry=False)
    hand_over()

    assert built == [(builders.CHAT, "gpt-4o-mini-2024-07-18")]


def observe_models(observer: TelemetryObserver, requested: str, answered: str | None) -> None:
    target = replace(builders.CHAT, request_model=requested)
    facts = replace(builders.ANSWERED, response_model=answered)
    observe(observer, builders.call(builders.attempt(target=target, facts=facts)))


@pytest.mark.parametrize("answers_differ", [False, True])
def test_ten_thousand_models_stay_within_the_bound(telemetry: RecordedTelemetry, answers_differ: bool) -> None:
    observer = TelemetryObserver(trace.NoOpTracerProvider(), telemetry.meter_provider)
    for number in range(10_000):
        observe_models(observer, f"model-{number}", f"answer-{number}" if answers_differ else f"model-{number}")

    points = telemetry.points()
    assert {name for name, values in points.items() if len(values) > DEFAULT_MAX_MODELS} == set()
    names = {attributes["gen_ai.request.model"] for attributes, _ in points["agentcore_metering.calls"]}
    assert "other" in names
    assert sum(value for _, value in points["agentcore_metering.calls"]) == 10_000


def test_first_models_keep_their_series_and_later_ones_share_one(telemetry: RecordedTelemetry) -> None:
    observer = TelemetryObserver(telemetry.tracer_provider, telemetry.meter_provider, max_models=3)
    for model in ("a", "b", "c", "a", "d"):
        observe_models(observer, model, model)
    observe_models(observer, "a", "e")
    observe_models(observer, "a", None)

    pairs = {
        (attributes["gen_ai.request.model"], attributes.get("gen_ai.response.model")): value
        for attributes, value in telemetry.points()["agentcore_metering.calls"]
    }
    assert pairs == {("a", "a"): 2, ("b", "b"): 1, ("other", "other"): 2, ("a", "other"): 1, ("a", None): 1}


def test_spans_name_every_model(telemetry: RecordedTelemetry) -> None:
    observer = TelemetryObserver(telemetry.tracer_provider, telemetry.meter_provider, max_models=1)

    observe_models(observer, "rare", "rarer")

    attributes = telemetry.span.attributes or {}
    assert (attributes["gen_ai.request.model"], attributes["gen_ai.response.model"]) == ("rare", "rarer")


def test_call_without_a_model_takes_no_place(telemetry: RecordedTelemetry) -> None:
    observer = TelemetryObserver(telemetry.tracer_provider, telemetry.meter_provider, max_models=2)

    observe_models(observer, "", None)
    observe_models(observer, "a", "a")

    models = {
        attributes.get("gen_ai.request.model") for attributes, _ in telemetry.points()["agentcore_metering.calls"]
    }
    assert models == {None, "a"}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_call_of_a_signal_handler_that_interrupts_the_look_up_of_a_name_counts(telemetry: RecordedTelemetry) -> None:
    pid = os.fork()  # it could wait for itself for ever
    if pid == 0:
        signal.alarm(20)
        with metrics._names_lock:
            observe(telemetry.observer, builders.succeeded_call())
        os._exit(0)

    assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_that_is_forked_while_a_name_is_looked_up_counts_all_the_same(telemetry: RecordedTelemetry) -> None:
    with metrics._names_lock:
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            observe(telemetry.observer, builders.succeeded_call())
            os._exit(0)

    assert os.waitpid(pid, 0)[1] == 0
