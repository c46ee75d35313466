"""Tokens and costs of calls through real LiteLLM, whole, streamed and cut short, to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.cost_audit import audit
from agentcore_metering.adapters.django.persistence.selection import Selection
from agentcore_metering.adapters.django.trackers.llm import LLMTracker
from example.stub_provider import StubProvider, directive
from tests.django.builders import make_stub_config

pytestmark = pytest.mark.django_db(transaction=True)

SONNET = "claude-sonnet-4-5"


def ask(text: str, **arguments: Any) -> Any:
    return LLMTracker.call_and_track(messages=[{"role": "user", "content": text}], **arguments)


def row() -> LLMUsage:
    return LLMUsage.objects.get()


@pytest.mark.parametrize("is_streaming", [False, True])
def test_cache_writes_of_both_durations_have_their_own_price(stub: StubProvider, is_streaming: bool) -> None:
    make_stub_config(stub, "anthropic", SONNET)

    answer = ask(directive(in_=1000, out=40, cached=300, cache_write=200, cache_write_1h=50), stream=is_streaming)
    if is_streaming:
        list(answer)

    found = row()
    assert (found.prompt_tokens, found.cached_tokens, found.cache_write_tokens) == (1000, 300, 200)
    assert found.usage_details == {"cache_write_1h_tokens": 50}
    # 500*3e-6 + 300*3e-7 + 150*3.75e-6 + 50*6e-6 + 40*1.5e-5
    assert found.cost == Decimal("0.0030525")
    assert audit(Selection(), "default").counts == {"proved": 1}


def test_a_broken_stream_keeps_the_input_figures_that_came_first(stub: StubProvider) -> None:
    make_stub_config(stub, "anthropic", SONNET, config={"num_retries": 0})

    with pytest.raises(Exception, match=r"."):
        list(ask(directive(in_=1000, out=40, cached=300, text="one two three four", break_after=2), stream=True))

    found = row()
    assert (found.status, found.usage_source) == ("failed", "estimated")
    assert (found.prompt_tokens, found.cached_tokens) == (1000, 300)
    assert 1 <= found.completion_tokens < 10
    # 700*3e-6 + 300*3e-7 + n*1.5e-5
    assert found.cost == Decimal("0.00219") + found.completion_tokens * Decimal("0.000015")
    assert audit(Selection(), "default").counts == {"proved": 1}


def test_a_stream_that_the_caller_leaves_keeps_the_input_figures(stub: StubProvider) -> None:
    make_stub_config(stub, "anthropic", SONNET)

    stream = ask(directive(in_=1000, out=40, text="one two three four five six", chunks=6), stream=True)
    next(stream)
    stream.close()

    found = row()
    assert (found.status, found.usage_source, found.prompt_tokens) == ("cancelled", "estimated", 1000)
    assert 1 <= found.completion_tokens < 10


@pytest.mark.parametrize("is_streaming", [False, True])
def test_a_cost_that_a_gateway_reports_is_in_the_currency_of_its_configuration(
    stub: StubProvider, is_streaming: bool
) -> None:
    make_stub_config(stub, "openai_compatible", "qwen-max", config={"cost_currency": "CNY"})

    answer = ask(directive(in_=10, out=5, cost="0.0123"), stream=is_streaming)
    if is_streaming:
        list(answer)

    found = row()
    assert (found.cost, found.cost_currency, found.cost_source) == (Decimal("0.0123"), "CNY", "provider")


def test_a_configured_service_tier_is_asked_for_and_charged(stub: StubProvider) -> None:
    make_stub_config(stub, "openai", "gpt-5", config={"service_tier": "flex"})

    ask(directive(in_=100, out=10))

    found = row()
    assert stub.requests[-1].body["service_tier"] == "flex"
    assert found.usage_details == {"requested_service_tier": "flex"}
    assert found.cost == Decimal("0.0001125")  # 100*6.25e-7 + 10*5e-6


def test_an_azure_deployment_is_charged_as_the_model_that_answered(stub: StubProvider) -> None:
    make_stub_config(stub, "azure_openai", "x", config={"deployment": "gpt-4o", "api_version": "2024-10-21"})

    ask(directive(in_=100, out=10, model="gpt-4o-mini-2024-07-18"))

    assert row().response_model == "gpt-4o-mini-2024-07-18"
    assert row().price_snapshot is not None
    assert row().price_snapshot["per_token"]["output"] == "0.0000006"
