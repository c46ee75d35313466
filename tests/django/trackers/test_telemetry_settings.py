"""The settings of telemetry reach the spans and metrics of a call."""

from __future__ import annotations

import json

import pytest
from pytest_django import Settings

from agentcore_metering.adapters.django import LLMTracker
from example.stub_provider import StubProvider, directive
from tests.django.builders import make_stub_config
from tests.telemetry.recording import RecordedTelemetry

pytestmark = pytest.mark.django_db

COST = 0.00000465  # 3 * 1.5e-7 + 7 * 6e-7
DRAFT = {
    "gen_ai.usage.cost.amount": COST,
    "gen_ai.usage.cost.currency": "USD",
    "gen_ai.usage.cost.source": "local",
}


def ask(stub: StubProvider) -> None:
    make_stub_config(stub)
    LLMTracker.call_and_track(messages=[{"role": "user", "content": "Ms Miller " + directive(in_=3, out=7)}])


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("otel-draft", DRAFT),
        ("gen_ai.usage.cost", {"gen_ai.usage.cost": COST}),
        ("operation.cost", {"operation.cost": COST}),
        ("none", {}),
    ],
)
def test_cost_is_on_the_span_by_one_convention_and_by_ours(
    stub: StubProvider, telemetry: RecordedTelemetry, settings: Settings, convention: str, expected: dict[str, object]
) -> None:
    settings.AGENTCORE_METERING_COST_SPAN_CONVENTION = convention

    ask(stub)

    attributes = dict(telemetry.span.attributes or {})
    by_convention = {
        name: value for name, value in attributes.items() if name.startswith(("gen_ai.usage.cost", "operation."))
    }
    assert by_convention == expected
    assert attributes["agentcore_metering.cost.amount"] == "0.00000465"
    assert attributes["agentcore_metering.cost.currency"] == "USD"


def test_cost_metric_alias_is_measured_where_it_is_asked_for(
    stub: StubProvider, telemetry: RecordedTelemetry, settings: Settings
) -> None:
    settings.AGENTCORE_METERING_COST_METRIC_ALIAS = True

    ask(stub)

    ((attributes, (count, total)),) = telemetry.points()["gen_ai.usage.cost"]
    assert (count, total) == (1, COST)
    assert attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert telemetry.metrics()["gen_ai.usage.cost"].unit == "USD"


def test_cost_metric_alias_is_off_by_default(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    ask(stub)

    assert "gen_ai.usage.cost" not in telemetry.points()


def test_models_beyond_the_bound_are_other(
    stub: StubProvider, telemetry: RecordedTelemetry, settings: Settings
) -> None:
    settings.AGENTCORE_METERING_MAX_METRIC_MODELS = 1

    ask(stub)

    ((attributes, _),) = telemetry.points()["agentcore_metering.calls"]
    assert attributes["gen_ai.request.model"] == "other"


def without_names(text: str) -> str:
    return text.replace("Ms Miller", "<name>")


def test_contents_are_captured_and_redacted_as_the_settings_say(
    stub: StubProvider, telemetry: RecordedTelemetry, settings: Settings
) -> None:
    settings.AGENTCORE_METERING_CAPTURE_CONTENT = "SPAN_ONLY"
    settings.AGENTCORE_METERING_CONTENT_REDACTOR = f"{__name__}.{without_names.__name__}"

    ask(stub)

    (message,) = json.loads(str((telemetry.span.attributes or {})["gen_ai.input.messages"]))
    assert message["parts"][0]["content"].startswith("<name>")


def test_setting_wins_over_the_environment_variable(
    stub: StubProvider, telemetry: RecordedTelemetry, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    settings.AGENTCORE_METERING_CAPTURE_CONTENT = "NO_CONTENT"

    ask(stub)

    assert "gen_ai.input.messages" not in (telemetry.span.attributes or {})
