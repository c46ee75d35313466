"""What counts our calls a second time is named by `manage.py check`, with the way out of it."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from agentcore_metering.adapters.django.checks.neighbours import check_neighbours
from agentcore_metering.adapters.django.checks.settings import check_telemetry_settings
from agentcore_metering.adapters.django.instrumentation import patching
from agentcore_metering.telemetry.neighbours import INSTRUMENTORS


@pytest.fixture(autouse=True)
def _no_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in INSTRUMENTORS:
        monkeypatch.delitem(sys.modules, each.module, raising=False)
    monkeypatch.setitem(sys.modules, "litellm", ModuleType("litellm"))


def switch_on(monkeypatch: pytest.MonkeyPatch, module_name: str, class_name: str) -> None:
    instance = SimpleNamespace(is_instrumented_by_opentelemetry=True)
    module = ModuleType(module_name)
    setattr(module, class_name, type(class_name, (), {"_instance": instance}))
    monkeypatch.setitem(sys.modules, module_name, module)


def test_nothing_is_said_where_we_are_alone() -> None:
    assert check_neighbours() == []
    assert check_telemetry_settings() == []


def test_litellms_callback_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["litellm"], "success_callback", ["otel", "langfuse"], raising=False)

    (found,) = check_neighbours()

    assert found.id == "agentcore_metering.W120"
    assert "(otel)" in found.msg
    assert "litellm.success_callback" in (found.hint or "")


@pytest.mark.parametrize(
    ("module", "class_name", "check_id", "hint"),
    [
        ("openlit.instrumentation.litellm", "LiteLLMInstrumentor", "W121", "disabled_instrumentors"),
        ("openlit.instrumentation.openai", "OpenAIInstrumentor", "W121", "disabled_instrumentors"),
        ("opentelemetry.instrumentation.openai_v2", "OpenAIInstrumentor", "W121", "instrumentation-genai-openai"),
        ("openinference.instrumentation.litellm", "LiteLLMInstrumentor", "I122", "LiteLLMInstrumentor off"),
    ],
)
def test_instrumentations_that_cannot_be_silenced_are_named(
    monkeypatch: pytest.MonkeyPatch, module: str, class_name: str, check_id: str, hint: str
) -> None:
    switch_on(monkeypatch, module, class_name)

    (found,) = check_neighbours()

    assert found.id == f"agentcore_metering.{check_id}"
    assert hint in (found.hint or "")


@pytest.mark.parametrize("module", ["opentelemetry.instrumentation.openai", "opentelemetry.instrumentation.litellm"])
def test_instrumentations_that_obey_their_key_are_not_mentioned(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    for class_name in ("OpenAIInstrumentor", "LiteLLMInstrumentor"):
        switch_on(monkeypatch, module, class_name)

    assert check_neighbours() == []


@pytest.mark.parametrize(
    ("name", "value"), [("TRACE_URL_TEMPLATE", "grafana"), ("CAPTURE_CONTENT", "all"), ("CONTENT_REDACTOR", "no.such")]
)
def test_a_setting_that_cannot_be_used_is_an_error(settings: Settings, name: str, value: str) -> None:
    setattr(settings, f"AGENTCORE_METERING_{name}", value)

    (found,) = check_telemetry_settings()

    assert found.id == "agentcore_metering.E120"
    assert f"AGENTCORE_METERING_{name}" in found.msg


def test_the_checks_are_registered(settings: Settings) -> None:
    settings.AGENTCORE_METERING_MAX_METRIC_MODELS = 0

    assert "agentcore_metering.E120" in {message.id for message in run_checks()}


@pytest.mark.parametrize("is_outer", [True, False])
def test_an_instrumentation_around_ours_is_named(monkeypatch: pytest.MonkeyPatch, is_outer: bool) -> None:
    litellm = sys.modules["litellm"]
    monkeypatch.setattr(litellm, "completion", lambda model: model, raising=False)
    switch_on(monkeypatch, "opentelemetry.instrumentation.litellm", "LiteLLMInstrumentor")
    patching.install()
    try:
        if is_outer:
            monkeypatch.setattr(litellm, "completion", lambda model: model)
        found = check_neighbours()
    finally:
        patching.uninstall()

    assert [each.id for each in found] == ["agentcore_metering.W123"] * is_outer
