"""What a call of each operation and outcome leaves, whole: every attribute of its span by name and type, every metric with its labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agentcore_metering.core.types import CostStatus, Operation, ResponseFacts, Status
from tests.telemetry import builders
from tests.telemetry.builders import observe
from tests.telemetry.recording import RecordedTelemetry

ASKED: dict[str, type] = {
    "gen_ai.operation.name": str,
    "gen_ai.provider.name": str,
    "gen_ai.request.model": str,
    "server.address": str,
    "server.port": int,
    "user.id": str,
    "gen_ai.conversation.id": str,
    "agentcore_metering.node": str,
}
ENDED: dict[str, type] = {
    "agentcore_metering.call.id": str,
    "agentcore_metering.usage.id": str,
    "agentcore_metering.attempts": int,
    "agentcore_metering.status": str,
    "agentcore_metering.litellm.model": str,
    "agentcore_metering.config.scope": str,
    "agentcore_metering.usage.source": str,
    "agentcore_metering.cost.status": str,
}
ANSWERED: dict[str, type] = {
    "gen_ai.response.id": str,
    "gen_ai.response.model": str,
    "gen_ai.response.finish_reasons": tuple,
    "openai.response.service_tier": str,
    "gen_ai.usage.cost.amount": float,
    "gen_ai.usage.cost.currency": str,
    "gen_ai.usage.cost.source": str,
    "agentcore_metering.cost.amount": str,
    "agentcore_metering.cost.currency": str,
    "agentcore_metering.price.version": str,
    "gen_ai.usage.input_tokens": int,
}
GENERATED: dict[str, type] = {
    "gen_ai.usage.output_tokens": int,
    "gen_ai.usage.cache_read.input_tokens": int,
    "gen_ai.usage.cache_write.input_tokens": int,
    "gen_ai.usage.cache_creation.input_tokens": int,
    "gen_ai.usage.reasoning.output_tokens": int,
}
BY_OUTCOME: dict[Status, dict[str, type]] = {
    Status.SUCCEEDED: ANSWERED,
    Status.FAILED: {"error.type": str},
    Status.CANCELLED: {},
}

BASE = {
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "server.address",
    "server.port",
}
OUTCOME = {"agentcore_metering.outcome", "agentcore_metering.cost.status"}
TOKEN_COUNTERS = (
    "gen_ai.client.inference.usage.input_tokens",
    "gen_ai.client.inference.usage.output_tokens",
    "gen_ai.client.inference.usage.cache_read.input_tokens",
    "gen_ai.client.inference.usage.cache_write.input_tokens",
    "gen_ai.client.inference.usage.reasoning.output_tokens",
)
INFERENCE_HISTOGRAMS = (
    "gen_ai.client.inference.duration",
    "gen_ai.client.inference.operation.input_tokens",
    "gen_ai.client.inference.operation.output_tokens",
)

EACH = pytest.mark.parametrize("operation", Operation)
EACH_OUTCOME = pytest.mark.parametrize("status", BY_OUTCOME)


def end_one(telemetry: RecordedTelemetry, operation: Operation, status: Status) -> None:
    target = replace(builders.CHAT, operation=operation)
    if status is Status.SUCCEEDED:
        attempt = builders.attempt(target=target)
    elif status is Status.FAILED:
        attempt = builders.failed_attempt(target=target)
    else:
        nothing: dict[str, Any] = {"facts": ResponseFacts(), "cost": None, "cost_status": CostStatus.NO_USAGE}
        attempt = builders.attempt(target=target, status=Status.CANCELLED, **nothing)
    observe(telemetry.observer, replace(builders.call(attempt), request=builders.request(target)))


@EACH_OUTCOME
@EACH
def test_span_is_complete(telemetry: RecordedTelemetry, operation: Operation, status: Status) -> None:
    end_one(telemetry, operation, status)

    has_output = status is Status.SUCCEEDED and operation is not Operation.EMBEDDINGS
    expected = ASKED | ENDED | BY_OUTCOME[status] | (GENERATED if has_output else {})
    assert {name: type(value) for name, value in (telemetry.span.attributes or {}).items()} == expected
    assert telemetry.span.name == f"{operation.value} gpt-4o-mini"
    assert telemetry.span.status.status_code.name == ("ERROR" if status is Status.FAILED else "UNSET")
    assert [event.name for event in telemetry.span.events] == (["exception"] if status is Status.FAILED else [])


@EACH_OUTCOME
@EACH
def test_metrics_are_complete(telemetry: RecordedTelemetry, operation: Operation, status: Status) -> None:
    end_one(telemetry, operation, status)

    base = BASE | ({"gen_ai.response.model"} if status is Status.SUCCEEDED else set())
    error = {"error.type"} if status is Status.FAILED else set()
    expected = dict.fromkeys(("agentcore_metering.calls", "agentcore_metering.attempts"), base | OUTCOME | error)
    if operation is Operation.EMBEDDINGS:
        expected["gen_ai.client.embeddings.duration"] = base | error
        if status is Status.SUCCEEDED:
            expected["gen_ai.client.embeddings.operation.input_tokens"] = base
    else:
        expected |= dict.fromkeys(TOKEN_COUNTERS, base | {"gen_ai.token.modality"})
        expected |= dict.fromkeys(INFERENCE_HISTOGRAMS, base | error)
    if status is Status.SUCCEEDED:
        expected["agentcore_metering.cost"] = base | {"gen_ai.usage.cost.currency", "gen_ai.usage.cost.source"}
    assert {name: set(attributes) for name, ((attributes, _),) in telemetry.points().items()} == expected
