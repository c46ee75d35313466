"""Which other instrumentations are active is told without importing any; what silences them is in the context of a call."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest
from opentelemetry import context

from agentcore_metering.core.types import Operation
from agentcore_metering.telemetry import neighbours
from agentcore_metering.telemetry.neighbours import (
    INSTRUMENTORS,
    Instrumentor,
    Obeys,
    active_instrumentors,
    suppressing,
)

SUPPRESS_ALL = context._SUPPRESS_INSTRUMENTATION_KEY


@pytest.fixture(autouse=True)
def _no_neighbours(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for each in INSTRUMENTORS:
        monkeypatch.delitem(sys.modules, each.module, raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.util.genai.invocation", None)
    neighbours.util_genai_slot.cache_clear()
    yield
    neighbours.util_genai_slot.cache_clear()


def switch_on(monkeypatch: pytest.MonkeyPatch, instrumentor: Instrumentor, *, is_on: bool = True) -> None:
    """Stand a loaded instrumentation in for the real one."""
    module = ModuleType(instrumentor.module)
    instance = SimpleNamespace(is_instrumented_by_opentelemetry=is_on)
    setattr(module, instrumentor.class_name, type(instrumentor.class_name, (), {"_instance": instance}))
    monkeypatch.setitem(sys.modules, instrumentor.module, module)


def test_none_is_active_where_none_is_loaded() -> None:
    assert active_instrumentors() == ()


def test_one_that_is_loaded_and_switched_off_is_not_active(monkeypatch: pytest.MonkeyPatch) -> None:
    switch_on(monkeypatch, INSTRUMENTORS[0], is_on=False)

    assert active_instrumentors() == ()


@pytest.mark.parametrize(
    "instrumentor",
    [each for each in INSTRUMENTORS if each.obeys is not Obeys.UTIL_GENAI_KEY],
    ids=lambda each: each.module,
)
def test_one_that_is_switched_on_is_active(monkeypatch: pytest.MonkeyPatch, instrumentor: Instrumentor) -> None:
    switch_on(monkeypatch, instrumentor)

    assert active_instrumentors() == (instrumentor,)


@pytest.mark.parametrize(("has_key", "obeys"), [(True, Obeys.UTIL_GENAI_KEY), (False, Obeys.NOTHING)])
def test_an_official_one_obeys_nothing_where_its_key_is_not_there_yet(
    monkeypatch: pytest.MonkeyPatch, has_key: bool, obeys: Obeys
) -> None:
    (official,) = (each for each in INSTRUMENTORS if each.obeys is Obeys.UTIL_GENAI_KEY)
    switch_on(monkeypatch, official)
    module = ModuleType("opentelemetry.util.genai.invocation")
    if has_key:
        module.__dict__.update(CLIENT_INFERENCE_CONTEXT_KEY="inference", InferenceData=object)
    monkeypatch.setitem(sys.modules, module.__name__, module)

    assert [each.obeys for each in active_instrumentors()] == [obeys]


@pytest.mark.parametrize("instrumentor", INSTRUMENTORS, ids=lambda each: each.module)
def test_everything_is_suppressed_only_beside_one_that_obeys_nothing_else(
    monkeypatch: pytest.MonkeyPatch, instrumentor: Instrumentor
) -> None:
    switch_on(monkeypatch, instrumentor)

    suppressed = suppressing(context.Context(), Operation.CHAT)

    is_needed = instrumentor.obeys is Obeys.SUPPRESS_INSTRUMENTATION
    assert bool(context.get_value(SUPPRESS_ALL, suppressed)) is is_needed
    assert context.get_value("suppress_language_model_instrumentation", suppressed) is True
