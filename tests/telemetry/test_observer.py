"""The whole output of one call: the complete attributes of its span and the complete metrics, golden."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import metrics
from opentelemetry.metrics import Counter, NoOpCounter, NoOpMeter, NoOpMeterProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, StatusCode

from agentcore_metering.core.types import (
    CallRecord,
    Cost,
    CostSource,
    CostStatus,
    ResponseFacts,
    Status,
    Usage,
    UsageSource,
)
from agentcore_metering.telemetry.observer import TelemetryObserver
from agentcore_metering.telemetry.tally import hand_over
from tests.telemetry import builders
from tests.telemetry.builders import call, observe
from tests.telemetry.recording import Points, RecordedTelemetry, record_telemetry

CALL_ID = "01940000-0000-7000-8000-000000000001"
THIRD_ID = "01940000-0000-7000-8000-000000000003"
SECOND_ID = "01940000-0000-7000-8000-000000000002"

ASKED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "server.address": "api.openai.com",
    "server.port": 443,
}
BASE = ASKED | {"gen_ai.response.model": "gpt-4o-mini-2024-07-18"}
EMBEDDINGS = ASKED | {
    "gen_ai.operation.name": "embeddings",
    "gen_ai.request.model": "text-embedding-3-small",
    "gen_ai.response.model": "text-embedding-3-small",
}
OURS = {
    "agentcore_metering.call.id": CALL_ID,
    "agentcore_metering.usage.id": CALL_ID,
    "agentcore_metering.attempts": 1,
    "agentcore_metering.status": "succeeded",
    "agentcore_metering.litellm.model": "openai/gpt-4o-mini",
    "agentcore_metering.node": "summarise",
    "agentcore_metering.config.scope": "user",
    "agentcore_metering.usage.source": "provider",
    "agentcore_metering.cost.status": "priced",
    "user.id": "42",
    "gen_ai.conversation.id": "talk-7",
}
RESPONSE = {
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.finish_reasons": ("stop",),
    "openai.response.service_tier": "default",
}


def tokens(input_: int, output: int, cache_read: int = 0, cache_write: int = 0, reasoning: int = 0) -> dict[str, int]:
    return {
        "gen_ai.usage.input_tokens": input_,
        "gen_ai.usage.output_tokens": output,
        "gen_ai.usage.cache_read.input_tokens": cache_read,
        "gen_ai.usage.cache_write.input_tokens": cache_write,
        "gen_ai.usage.cache_creation.input_tokens": cache_write,
        "gen_ai.usage.reasoning.output_tokens": reasoning,
    }


SPANS: dict[str, tuple[str, StatusCode, dict[str, Any]]] = {
    "succeeded_call": (
        "chat gpt-4o-mini",
        StatusCode.UNSET,
        ASKED
        | OURS
        | RESPONSE
        | tokens(100, 20, 64, 8, 5)
        | {
            "gen_ai.request.temperature": 0.0,
            "gen_ai.request.top_p": 0.9,
            "gen_ai.request.top_k": 40,
            "gen_ai.request.max_tokens": 64,
            "gen_ai.request.frequency_penalty": 1.0,
            "gen_ai.request.presence_penalty": -1.0,
            "gen_ai.request.stop_sequences": ("END",),
            "gen_ai.request.seed": 7,
            "gen_ai.request.choice.count": 2,
            "gen_ai.request.reasoning.level": "low",
            "gen_ai.output.type": "json",
            "gen_ai.usage.cost.amount": 0.0000192,
            "gen_ai.usage.cost.currency": "USD",
            "gen_ai.usage.cost.source": "local",
            "agentcore_metering.cost.amount": "0.0000192",
            "agentcore_metering.cost.currency": "USD",
            "agentcore_metering.price.version": "litellm 1.106.2",
        },
    ),
    "failed_call": (
        "chat gpt-4o-mini",
        StatusCode.ERROR,
        ASKED
        | OURS
        | {
            "error.type": "Timeout",
            "agentcore_metering.status": "failed",
            "agentcore_metering.usage.source": "none",
            "agentcore_metering.cost.status": "no_usage",
        },
    ),
    "retried_call": (
        "chat gpt-4o-mini",
        StatusCode.UNSET,
        ASKED
        | OURS
        | RESPONSE
        | tokens(200, 40, 128, 16, 10)  # the empty answer and the good one; the refused attempt had none
        | {
            "agentcore_metering.usage.id": THIRD_ID,
            "agentcore_metering.attempts": 3,
            "gen_ai.usage.cost.amount": 0.0000384,
            "gen_ai.usage.cost.currency": "USD",
            "gen_ai.usage.cost.source": "local",
            "agentcore_metering.cost.amount": "0.0000384",
            "agentcore_metering.cost.currency": "USD",
            "agentcore_metering.price.version": "litellm 1.106.2",
        },
    ),
    "cancelled_stream": (
        "chat gpt-4o-mini",
        StatusCode.UNSET,
        ASKED
        | OURS
        | tokens(9, 3)
        | {
            "gen_ai.request.stream": True,
            "gen_ai.response.id": "chatcmpl-2",
            "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
            "gen_ai.response.finish_reasons": ("error",),
            "gen_ai.response.time_to_first_chunk": 0.25,
            "agentcore_metering.status": "cancelled",
            "agentcore_metering.usage.source": "estimated",
            "agentcore_metering.cost.status": "unpriced",
        },
    ),
    "two_currency_call": (
        "chat gpt-4o-mini",
        StatusCode.UNSET,
        ASKED
        | OURS
        | RESPONSE
        | tokens(200, 40, 128, 16, 10)
        | {
            "agentcore_metering.usage.id": SECOND_ID,
            "agentcore_metering.attempts": 2,
            "agentcore_metering.cost.amounts": ("0.034 CNY", "0.0012 USD"),
            "agentcore_metering.price.version": "litellm 1.106.2",
        },
    ),
    "embeddings_call": (
        "embeddings text-embedding-3-small",
        StatusCode.UNSET,
        EMBEDDINGS
        | OURS
        | {
            "gen_ai.embeddings.dimension.count": 256,
            "gen_ai.request.encoding_formats": ("float",),
            "gen_ai.usage.input_tokens": 7,
            "gen_ai.usage.cost.amount": 0.00000014,
            "gen_ai.usage.cost.currency": "USD",
            "gen_ai.usage.cost.source": "provider",
            "agentcore_metering.cost.amount": "0.00000014",
            "agentcore_metering.cost.currency": "USD",
            "agentcore_metering.litellm.model": "openai/text-embedding-3-small",
        },
    ),
}


COUNTED = (
    "gen_ai.client.inference.usage.input_tokens",
    "gen_ai.client.inference.usage.output_tokens",
    "gen_ai.client.inference.usage.cache_read.input_tokens",
    "gen_ai.client.inference.usage.cache_write.input_tokens",
    "gen_ai.client.inference.usage.reasoning.output_tokens",
)


def counted(base: dict[str, Any], *values: int) -> dict[str, Any]:
    labelled = base | {"gen_ai.token.modality": "unknown"}
    return {name: [(labelled, value)] for name, value in zip(COUNTED, values, strict=True)}


def measured(base: dict[str, Any], duration_s: float, input_: int, output: int) -> dict[str, Any]:
    return {
        "gen_ai.client.inference.duration": [(base, (1, duration_s))],
        "gen_ai.client.inference.operation.input_tokens": [(base, (1, input_))],
        "gen_ai.client.inference.operation.output_tokens": [(base, (1, output))],
    }


def ended(base: dict[str, Any], outcome: str, cost_status: str, error: str | None = None) -> dict[str, Any]:
    attributes = base | {"agentcore_metering.outcome": outcome, "agentcore_metering.cost.status": cost_status}
    return attributes | ({"error.type": error} if error else {})


def paid(base: dict[str, Any], currency: str = "USD", source: str = "local") -> dict[str, Any]:
    return base | {"gen_ai.usage.cost.currency": currency, "gen_ai.usage.cost.source": source}


METRICS: dict[str, dict[str, Any]] = {
    "succeeded_call": counted(BASE, 100, 20, 64, 8, 5)
    | measured(BASE, 2.0, 100, 20)
    | {
        "agentcore_metering.cost": [(paid(BASE), 0.0000192)],
        "agentcore_metering.attempts": [(ended(BASE, "succeeded", "priced"), 1)],
        "agentcore_metering.calls": [(ended(BASE, "succeeded", "priced"), 1)],
    },
    "failed_call": counted(ASKED, 0, 0, 0, 0, 0)
    | measured(ASKED | {"error.type": "Timeout"}, 2.0, 0, 0)
    | {
        "agentcore_metering.attempts": [(ended(ASKED, "failed", "no_usage", "Timeout"), 1)],
        "agentcore_metering.calls": [(ended(ASKED, "failed", "no_usage", "Timeout"), 1)],
    },
    "retried_call": {
        name: [*points, (ASKED | {"gen_ai.token.modality": "unknown"}, 0)]  # the refused attempt named no model
        for name, points in counted(BASE, 200, 40, 128, 16, 10).items()
    }
    | measured(BASE, 6.25, 200, 40)
    | {
        "agentcore_metering.cost": [(paid(BASE), 0.0000384)],
        "agentcore_metering.attempts": [
            (ended(BASE, "failed", "priced", "EmptyResponse"), 1),
            (ended(ASKED, "failed", "no_usage", "RateLimitError"), 1),
            (ended(BASE, "succeeded", "priced"), 1),
        ],
        "agentcore_metering.retries": [
            (BASE | {"error.type": "EmptyResponse"}, 1),
            (ASKED | {"error.type": "RateLimitError"}, 1),
        ],
        "agentcore_metering.calls": [(ended(BASE, "succeeded", "priced"), 1)],
    },
    "cancelled_stream": counted(BASE, 9, 3, 0, 0, 0)
    | measured(BASE, 2.0, 9, 3)
    | {
        "gen_ai.client.inference.time_to_first_chunk": [(BASE, (1, 0.25))],
        "gen_ai.client.inference.time_per_output_chunk": [(BASE, (2, 0.625))],
        "agentcore_metering.attempts": [(ended(BASE, "cancelled", "unpriced"), 1)],
        "agentcore_metering.calls": [(ended(BASE, "cancelled", "unpriced"), 1)],
    },
    "two_currency_call": counted(BASE, 200, 40, 128, 16, 10)
    | measured(BASE, 3.75, 200, 40)
    | {
        "agentcore_metering.cost": [(paid(BASE), 0.0012), (paid(BASE, "CNY"), 0.034)],
        "agentcore_metering.attempts": [
            (ended(BASE, "failed", "priced", "Timeout"), 1),
            (ended(BASE, "succeeded", "priced"), 1),
        ],
        "agentcore_metering.retries": [(BASE | {"error.type": "Timeout"}, 1)],
        "agentcore_metering.calls": [(ended(BASE, "succeeded", "priced"), 1)],
    },
    "embeddings_call": {
        "gen_ai.client.embeddings.duration": [(EMBEDDINGS, (1, 2.0))],
        "gen_ai.client.embeddings.operation.input_tokens": [(EMBEDDINGS, (1, 7))],
        "agentcore_metering.cost": [(paid(EMBEDDINGS, source="provider"), 0.00000014)],
        "agentcore_metering.attempts": [(ended(EMBEDDINGS, "succeeded", "priced"), 1)],
        "agentcore_metering.calls": [(ended(EMBEDDINGS, "succeeded", "priced"), 1)],
    },
}


def scenario(name: str) -> CallRecord:
    record: CallRecord = getattr(builders, name)()
    return record


@pytest.mark.parametrize("name", SPANS)
def test_span_of_a_call_has_exactly_these_attributes(telemetry: RecordedTelemetry, name: str) -> None:
    observe(telemetry.observer, scenario(name))

    span_name, status, attributes = SPANS[name]
    assert (telemetry.span.name, telemetry.span.status.status_code) == (span_name, status)
    assert dict(telemetry.span.attributes or {}) == attributes


@pytest.mark.parametrize("name", METRICS)
def test_metrics_of_a_call_are_exactly_these(telemetry: RecordedTelemetry, name: str) -> None:
    observe(telemetry.observer, scenario(name))

    assert _comparable(telemetry.points()) == _comparable(METRICS[name])


def _comparable(points: Points) -> dict[str, dict[frozenset[Any], Any]]:
    return {
        name: {frozenset(attributes.items()): value for attributes, value in values} for name, values in points.items()
    }


def test_call_that_is_not_sampled_is_counted_and_linked_as_unsampled() -> None:
    telemetry = record_telemetry(ALWAYS_OFF)

    observation = observe(telemetry.observer, builders.succeeded_call())

    assert telemetry.spans == ()
    assert observation.trace is not None
    assert not observation.trace.is_sampled
    assert telemetry.points().keys() == METRICS["succeeded_call"].keys()
    telemetry.close()


@pytest.mark.parametrize("record", [scenario(name) for name in SPANS], ids=list(SPANS))
def test_call_without_sdk_leaves_no_link_and_no_error(record: CallRecord) -> None:
    observation = observe(TelemetryObserver(NoOpTracerProvider(), NoOpMeterProvider()), record)

    assert observation.trace is None


def test_call_that_was_never_attempted_is_a_call_without_attempts(telemetry: RecordedTelemetry) -> None:
    never_read = call(call_request=builders.request(builders.STREAM))

    observe(telemetry.observer, never_read)

    attributes = telemetry.span.attributes or {}
    assert attributes["agentcore_metering.attempts"] == 0
    assert "agentcore_metering.usage.id" not in attributes
    points = telemetry.points()
    assert points["agentcore_metering.calls"] == [(ended(ASKED, "cancelled", "no_usage"), 1)]
    assert "agentcore_metering.attempts" not in points


PROVIDERS_SET_LATER = """
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from agentcore_metering.telemetry.observer import TelemetryObserver
from agentcore_metering.telemetry.tally import hand_over
from tests.telemetry.builders import observe, succeeded_call

observer = TelemetryObserver()
before = observe(observer, succeeded_call()).trace
hand_over()
reader = InMemoryMetricReader()
trace.set_tracer_provider(TracerProvider())
metrics.set_meter_provider(MeterProvider([reader]))
after = observe(observer, succeeded_call()).trace
(resource,) = reader.get_metrics_data().resource_metrics
(scope,) = resource.scope_metrics
calls = {m.name: m for m in scope.metrics}["agentcore_metering.calls"].data.data_points
print(before, after is not None, scope.scope.name, calls[0].value)
"""


def test_observer_of_global_providers_follows_those_set_later() -> None:
    # In a process of its own, since global providers can be set only once.
    finished = subprocess.run(
        [sys.executable, "-c", PROVIDERS_SET_LATER], capture_output=True, text=True, timeout=60, check=True
    )

    assert finished.stdout.split() == ["None", "True", "agentcore_metering", "1"]


class BrokenCounter(NoOpCounter):
    def add(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no counting today")


class BrokenMeter(NoOpMeter):
    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        return BrokenCounter(name, unit, description)


class BrokenMeterProvider(metrics.MeterProvider):
    def get_meter(self, name: str, *args: Any, **kwargs: Any) -> metrics.Meter:
        return BrokenMeter(name)


def test_span_ends_complete_when_metrics_fail(telemetry: RecordedTelemetry, caplog: pytest.LogCaptureFixture) -> None:
    observer = TelemetryObserver(telemetry.tracer_provider, BrokenMeterProvider())
    record = builders.succeeded_call()
    observation = observer.call_started(record.request, record.context, record.started_at)

    observation.call_ended(record)
    hand_over()

    assert "no counting today" in caplog.text
    assert dict(telemetry.span.attributes or {}) == SPANS["succeeded_call"][2]


def test_metrics_are_complete_and_span_ends_when_describing_it_fails(telemetry: RecordedTelemetry) -> None:
    record = builders.succeeded_call()
    broken = replace(record, call_id=Unprintable())  # type: ignore[arg-type]  # what cannot be made an attribute
    observation = telemetry.observer.call_started(record.request, record.context, record.started_at)
    observation.attempt_ended(record.attempts[0], will_retry=False)

    with pytest.raises(RuntimeError, match="no text today"):
        observation.call_ended(broken)

    assert telemetry.points().keys() == METRICS["succeeded_call"].keys()
    assert telemetry.span.end_time is not None


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text today")


MODELS = ("gpt-4o-mini", "glm-4")
usages = st.builds(
    Usage,
    input_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**6),
    cache_read_tokens=st.integers(0, 10**5),
    cache_write_tokens=st.integers(0, 10**5),
    reasoning_tokens=st.integers(0, 10**5),
    source=st.sampled_from([UsageSource.PROVIDER, UsageSource.ESTIMATED]),
)
costs = st.builds(
    Cost,
    amount=st.integers(0, 10**15).map(lambda pico: Decimal(pico).scaleb(-12)),
    currency=st.sampled_from(["USD", "CNY"]),
    source=st.sampled_from(CostSource),
)


@st.composite
def calls(draw: st.DrawFn) -> CallRecord:
    target = replace(builders.CHAT, request_model=draw(st.sampled_from(MODELS)))
    attempts = []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        status = draw(st.sampled_from([Status.SUCCEEDED, Status.FAILED, Status.CANCELLED]))
        usage = draw(st.none() | usages)
        cost = draw(st.none() | costs) if usage else None
        attempts.append(
            builders.attempt(
                number,
                target,
                status=status,
                failure=builders.TIMED_OUT if status is Status.FAILED else None,
                facts=ResponseFacts(usage=usage) if usage else ResponseFacts(),
                cost=cost,
                cost_status=CostStatus.PRICED if cost else CostStatus.UNPRICED,
            )
        )
    return call(*attempts)


TOKEN_SUMS = {
    "gen_ai.client.inference.usage.input_tokens": ("input_tokens", "gen_ai.usage.input_tokens"),
    "gen_ai.client.inference.usage.output_tokens": ("output_tokens", "gen_ai.usage.output_tokens"),
    "gen_ai.client.inference.usage.cache_read.input_tokens": (
        "cache_read_tokens",
        "gen_ai.usage.cache_read.input_tokens",
    ),
    "gen_ai.client.inference.usage.cache_write.input_tokens": (
        "cache_write_tokens",
        "gen_ai.usage.cache_write.input_tokens",
    ),
    "gen_ai.client.inference.usage.reasoning.output_tokens": (
        "reasoning_tokens",
        "gen_ai.usage.reasoning.output_tokens",
    ),
}


def _by_model(pairs: Any) -> dict[str, Any]:
    totals: dict[str, Any] = defaultdict(int)
    for model, value in pairs:
        totals[model] += value
    return dict(totals)


@settings(max_examples=40, deadline=None)
@given(st.lists(calls(), min_size=1, max_size=6))
def test_counters_and_spans_sum_to_the_records(records: list[CallRecord]) -> None:
    telemetry = record_telemetry()
    for record in records:
        observe(telemetry.observer, record)
    points, spans = telemetry.points(), [dict(span.attributes or {}) for span in telemetry.spans]
    attempts = [(record, attempt) for record in records for attempt in record.attempts]

    for counter, (field, attribute) in TOKEN_SUMS.items():
        rows = _by_model((a.target.request_model, getattr(a.facts.usage, field)) for _, a in attempts)
        assert _by_model((a["gen_ai.request.model"], value) for a, value in points[counter]) == rows
        assert _by_model((s["gen_ai.request.model"], s.get(attribute, 0)) for s in spans) == rows
    _assert_costs_sum(points, spans, [a for _, a in attempts])
    _assert_counts_sum(points, records)
    telemetry.close()


def _assert_costs_sum(points: Any, spans: list[dict[str, Any]], attempts: list[Any]) -> None:
    rows = _by_model(((a.target.request_model, a.cost.currency), a.cost.amount) for a in attempts if a.cost is not None)
    counters = _by_model(
        ((a["gen_ai.request.model"], a["gen_ai.usage.cost.currency"]), value)
        for a, value in points.get("agentcore_metering.cost", [])
    )
    exact = _by_model(
        ((span["gen_ai.request.model"], currency), Decimal(amount))
        for span in spans
        for amount, currency in _exact_amounts(span)
    )
    assert counters == {key: pytest.approx(float(amount), rel=1e-9) for key, amount in rows.items()}
    assert exact == rows


def _exact_amounts(span: dict[str, Any]) -> list[tuple[str, str]]:
    several = [tuple(text.split()) for text in span.get("agentcore_metering.cost.amounts", ())]
    one = (span.get("agentcore_metering.cost.amount"), span.get("gen_ai.usage.cost.currency"))
    return several or ([one] if one[0] is not None else [])


def _assert_counts_sum(points: Any, records: list[CallRecord]) -> None:
    def total(name: str) -> int:
        return sum(value for _, value in points.get(name, []))

    assert total("agentcore_metering.calls") == len(records)
    assert total("agentcore_metering.attempts") == sum(len(record.attempts) for record in records)
    assert total("agentcore_metering.retries") == total("agentcore_metering.attempts") - total(
        "agentcore_metering.calls"
    )
