"""Records become attributes of the right name, type and presence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from agentcore_metering.core.types import (
    CallContext,
    Operation,
    ResponseFacts,
    Status,
)
from agentcore_metering.telemetry.attributes import (
    CostConvention,
    base_attributes,
    decimal_text,
    request_attributes,
    result_attributes,
    span_name,
)
from agentcore_metering.telemetry.totals import CallTotals
from tests.telemetry import builders


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {}),
        ({"temperature": None}, {}),
        ({"temperature": 1}, {"gen_ai.request.temperature": 1.0}),
        ({"temperature": "warm"}, {}),
        ({"max_tokens": "64"}, {"gen_ai.request.max_tokens": 64}),
        ({"max_completion_tokens": 64}, {"gen_ai.request.max_tokens": 64}),
        ({"stop": "END"}, {"gen_ai.request.stop_sequences": ("END",)}),
        ({"stop": ["a", "b"]}, {"gen_ai.request.stop_sequences": ("a", "b")}),
        ({"n": 1}, {}),
        ({"n": 3}, {"gen_ai.request.choice.count": 3}),
        ({"reasoning_effort": {"effort": "high", "summary": "auto"}}, {"gen_ai.request.reasoning.level": "high"}),
        ({"reasoning_effort": {"summary": "auto"}}, {}),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, {"gen_ai.output.type": "json"}),
        ({"response_format": dict}, {"gen_ai.output.type": "json"}),
        ({"response_format": {"type": "text"}}, {"gen_ai.output.type": "text"}),
        ({"response_format": "b64_json"}, {}),
        ({"top_logprobs": 5}, {}),
    ],
    ids=str,
)
def test_request_parameters_become_attributes_of_the_right_type(
    parameters: dict[str, Any], expected: dict[str, Any]
) -> None:
    attributes = request_attributes(builders.request(**parameters), CallContext())

    assert [(k, type(v), v) for k, v in attributes.items()] == [(k, type(v), v) for k, v in expected.items()]


def test_request_of_a_user_has_the_id_as_text() -> None:
    assert request_attributes(builders.request(), CallContext(user_id=0)) == {"user.id": "0"}


def test_base_attributes_without_address_have_no_port() -> None:
    target = replace(builders.CHAT, server_address=None)

    assert {"server.address", "server.port"}.isdisjoint(base_attributes(target, None))


def test_span_name_without_model_is_the_operation() -> None:
    target = replace(builders.CHAT, operation=Operation.GENERATE_CONTENT, request_model="")

    assert span_name(target) == "generate_content"
    assert "gen_ai.request.model" not in base_attributes(target, None)


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0E-12", "0"), ("4.2E-6", "0.0000042"), ("0.001200000000", "0.0012"), ("100", "100"), ("1E+2", "100")],
)
def test_decimal_text_is_plain_digits(amount: str, text: str) -> None:
    assert decimal_text(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"facts": ResponseFacts(response_id="r", finish_reason="length")}, ("length",)),
        ({"facts": ResponseFacts(response_id="r")}, None),
        ({"status": Status.FAILED, "facts": ResponseFacts(finish_reason="stop")}, ("stop",)),
        ({"status": Status.FAILED, "facts": ResponseFacts(response_id="r")}, ("error",)),
        ({"status": Status.CANCELLED, "facts": ResponseFacts(), "time_to_first_chunk_s": 0.5}, ("error",)),
        ({"status": Status.FAILED, "facts": ResponseFacts()}, None),
    ],
    ids=["given", "finished-without", "billed-but-unusable", "cut-after-id", "cut-after-text", "never-answered"],
)
def test_finish_reason_is_error_for_a_choice_that_never_finished(
    changes: dict[str, Any], expected: tuple[str, ...] | None
) -> None:
    record = builders.call(builders.attempt(**changes))

    attributes = result_attributes(record, CallTotals.of(record.attempts))

    assert attributes.get("gen_ai.response.finish_reasons") == expected


def test_service_tier_of_another_provider_is_left_out() -> None:
    target = replace(builders.CHAT, provider="groq", provider_name="groq")
    record = builders.call(builders.attempt(target=target))

    assert "openai.response.service_tier" not in result_attributes(record, CallTotals.of(record.attempts))


def test_result_of_a_fallback_names_the_model_that_answered() -> None:
    spare = replace(builders.CHAT, litellm_model="deepseek/deepseek-chat", config_scope=None)
    record = builders.call(builders.failed_attempt(), builders.attempt(2, spare), call_request=builders.request())

    attributes = result_attributes(record, CallTotals.of(record.attempts))

    assert attributes["agentcore_metering.litellm.model"] == "deepseek/deepseek-chat"
    assert "agentcore_metering.config.scope" not in attributes


@pytest.mark.parametrize("convention", [CostConvention.USAGE_COST, CostConvention.OPERATION_COST, CostConvention.NONE])
def test_cost_in_another_currency_has_no_name_that_is_taken_for_dollars(convention: CostConvention) -> None:
    record = builders.call(builders.attempt(cost=builders.cost("0.5", "CNY")))

    attributes = result_attributes(record, CallTotals.of(record.attempts), convention)

    assert {name: value for name, value in attributes.items() if "cost" in name} == {
        "agentcore_metering.cost.amount": "0.5",
        "agentcore_metering.cost.currency": "CNY",
        "agentcore_metering.cost.status": "priced",
    }


@pytest.mark.parametrize("convention", CostConvention)
def test_no_attribute_is_both_a_value_and_the_beginning_of_others(convention: CostConvention) -> None:
    record = builders.call(builders.attempt())

    names = set(result_attributes(record, CallTotals.of(record.attempts), convention))

    assert [name for name in names if any(other.startswith(f"{name}.") for other in names)] == []
