"""The registry says what is emitted: no more, no less, with the right types, units and buckets."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics.export import Histogram, Metric

from agentcore_metering.core.types import OutputContent
from agentcore_metering.telemetry import (
    attributes,
    content,
    events,
    messages,
    metrics,
    observer,
    semconv,
    side_channel,
    spans,
)
from agentcore_metering.telemetry.content import ContentMode, ContentPolicy
from tests.telemetry import builders
from tests.telemetry.builders import observe
from tests.telemetry.recording import RecordedTelemetry, record_telemetry

PYTHON_TYPES: dict[semconv.ValueType, type] = {
    semconv.ValueType.STRING: str,
    semconv.ValueType.INT: int,
    semconv.ValueType.DOUBLE: float,
    semconv.ValueType.BOOLEAN: bool,
    semconv.ValueType.STRINGS: tuple,
}
TAKES_ADVICE = "explicit_bucket_boundaries_advisory" in inspect.signature(Meter.create_histogram).parameters
INSTRUMENTS = {i.name: i for i in semconv.INSTRUMENTS + semconv.LEGACY_INSTRUMENTS}


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedTelemetry]:
    """What all scenarios send, the legacy metrics included."""
    monkeypatch.setenv(semconv.STABILITY_OPT_IN_ENV, semconv.STABILITY_OPT_IN_DUP)
    telemetry = record_telemetry()
    for scenario in builders.SCENARIOS:
        observe(telemetry.observer, scenario())
    observe(telemetry.observer, builders.call(builders.failed_attempt(target=builders.EMBEDDINGS)))
    yield telemetry
    telemetry.close()


def _described(metric: Metric) -> tuple[Any, ...]:
    if isinstance(metric.data, Histogram):
        buckets = tuple(metric.data.data_points[0].explicit_bounds)
        return (semconv.InstrumentKind.HISTOGRAM, metric.unit, metric.description, buckets)
    return (semconv.InstrumentKind.COUNTER, metric.unit, metric.description, ())


@pytest.mark.skipif(not TAKES_ADVICE, reason="this release of opentelemetry-api takes no advice on buckets")
def test_every_instrument_is_emitted_as_registered(everything: RecordedTelemetry) -> None:
    emitted = {name: _described(metric) for name, metric in everything.metrics().items()}

    assert emitted == {i.name: (i.kind, i.unit, i.description, i.buckets) for i in INSTRUMENTS.values()}


def test_every_metric_attribute_is_registered_and_used(everything: RecordedTelemetry) -> None:
    emitted = {
        name: {attribute for attributes_, _ in points for attribute in attributes_}
        for name, points in everything.points().items()
    }

    assert emitted == {instrument.name: set(instrument.attributes) for instrument in INSTRUMENTS.values()}


def test_every_span_attribute_is_registered_with_its_type(everything: RecordedTelemetry) -> None:
    emitted = {(name, type(value)) for span in everything.spans for name, value in (span.attributes or {}).items()}

    assert emitted == {(attribute.name, PYTHON_TYPES[attribute.type]) for attribute in semconv.SPAN_ATTRIBUTES}


def test_every_content_attribute_is_registered_with_its_type(telemetry: RecordedTelemetry) -> None:
    policy = ContentPolicy(ContentMode.SPAN_ONLY, max_chars=200)
    observer_ = observer.TelemetryObserver(telemetry.tracer_provider, telemetry.meter_provider, content=policy)
    record = builders.call(
        builders.attempt(),
        call_request=replace(
            builders.request(),
            arguments={"messages": [{"role": "system", "content": "hi"}, {"role": "user", "content": "x" * 500}]},
        ),
        output=OutputContent("hello"),
    )
    observe(observer_, record)

    registered = {attribute.name: PYTHON_TYPES[attribute.type] for attribute in semconv.CONTENT_ATTRIBUTES}
    span_attributes = telemetry.span.attributes or {}
    assert {name: type(span_attributes[name]) for name in registered} == registered


def test_names_that_are_not_in_a_specification_are_in_our_namespace() -> None:
    specs = {instrument.name: instrument.spec for instrument in INSTRUMENTS.values()}
    specs |= {attribute.name: attribute.spec for attribute in semconv.SPAN_ATTRIBUTES + semconv.CONTENT_ATTRIBUTES}

    assert {name for name, spec in specs.items() if spec is None} == {
        name for name in specs if name.startswith("agentcore_metering.")
    }


@pytest.mark.parametrize(
    "module",
    [attributes, content, events, messages, metrics, observer, side_channel, spans],
    ids=lambda module: module.__name__,
)
def test_names_are_spelled_nowhere_else(module: Any) -> None:
    source = Path(module.__file__).read_text()

    assert [name for name in ('"gen_ai', '"agentcore_metering', '"server.', '"error.') if name in source] == []
