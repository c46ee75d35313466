"""OpenTelemetry's own GenAI instrumentation as an oracle: of the same request its span and its metrics say what ours say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.neighbours import INSTRUMENTORS, Obeys
from example.stub_provider import StubProvider, directive
from tests.django.builders import KEY, make_stub_config
from tests.interop.instrumented import switched_on
from tests.telemetry.recording import RecordedTelemetry, record_telemetry

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("default")]

(OFFICIAL,) = (each for each in INSTRUMENTORS if each.obeys is Obeys.UTIL_GENAI_KEY)
MODEL = "gpt-4o-mini"
PARAMETERS = {"temperature": 0.5, "top_p": 0.25, "max_tokens": 99}
CASES = {
    "plain": directive(in_=100, out=40, text="Hi there"),
    "cached": directive(in_=100, out=40, cached=30, text="Hi there"),
    "reasoning": directive(in_=100, out=40, reasoning=10, text="Hi there"),
    "cut_at_length": directive(in_=10, out=4, finish="length", text="Hi"),
}
OURS_ALONE = {
    "gen_ai.response.id": "the stub numbers its answers",
    "gen_ai.response.time_to_first_chunk": "a time",
}
"""What cannot be compared, and why."""


def asked_by_the_oracle(stub: StubProvider, text: str, *, stream: bool) -> RecordedTelemetry:
    """The same request by OpenAI's client, under OpenTelemetry's instrumentation."""
    openai = pytest.importorskip("openai")
    telemetry = record_telemetry()
    with switched_on(OFFICIAL, telemetry), openai.OpenAI(base_url=stub.api_base("openai"), api_key=KEY) as client:
        options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        messages = [{"role": "user", "content": text}]
        answer = client.chat.completions.create(model=MODEL, messages=messages, **PARAMETERS, **options)
        if stream:
            list(answer)
    return telemetry


def asked_by_us(stub: StubProvider, text: str, *, stream: bool) -> None:
    make_stub_config(stub, model=MODEL)
    answer = LLMTracker.call_and_track(messages=[{"role": "user", "content": text}], stream=stream, **PARAMETERS)
    if stream:
        list(answer)


def by_the_conventions(span: ReadableSpan) -> dict[str, Any]:
    attributes = dict(span.attributes or {})
    return {
        name: value
        for name, value in attributes.items()
        if name.startswith(("gen_ai.", "server.")) and name not in OURS_ALONE
    }


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("text", CASES.values(), ids=list(CASES))
def test_span_says_what_the_oracles_span_says(
    stub: StubProvider, telemetry: RecordedTelemetry, text: str, stream: bool
) -> None:
    asked_by_us(stub, text, stream=stream)
    oracle = asked_by_the_oracle(stub, text, stream=stream)

    expected = by_the_conventions(oracle.span)
    said = by_the_conventions(telemetry.span)

    assert {name: said.get(name) for name in expected} == expected
    assert {name: type(said[name]) for name in expected} == {name: type(value) for name, value in expected.items()}
    assert (telemetry.span.name, telemetry.span.kind) == (oracle.span.name, oracle.span.kind)
    assert telemetry.span.status.status_code == oracle.span.status.status_code
    oracle.close()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_metrics_of_the_same_names_have_the_oracles_points(
    stub: StubProvider, telemetry: RecordedTelemetry, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setenv(semconv.STABILITY_OPT_IN_ENV, semconv.STABILITY_OPT_IN_DUP)
    asked_by_us(stub, CASES["cached"], stream=stream)
    oracle = asked_by_the_oracle(stub, CASES["cached"], stream=stream)

    expected, counted = oracle.metrics(), telemetry.metrics()

    assert {semconv.LEGACY_TOKENS_USAGE, semconv.LEGACY_DURATION} <= set(expected) <= set(counted)
    assert _token_points(telemetry) == _token_points(oracle)
    for name, metric in expected.items():
        assert (counted[name].unit, _labels(telemetry, name)) == (metric.unit, _labels(oracle, name))
        assert _bounds(counted[name]) == _bounds(metric)
    oracle.close()


def test_error_type_is_set_by_both(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    text = directive(status=404, text="no such model")
    with pytest.raises(Exception, match="no such model"):
        asked_by_us(stub, text, stream=False)
    openai = pytest.importorskip("openai")
    oracle = record_telemetry()
    with (
        switched_on(OFFICIAL, oracle),
        openai.OpenAI(base_url=stub.api_base("openai"), api_key=KEY) as client,
        pytest.raises(openai.NotFoundError),
    ):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])

    for span in (telemetry.span, oracle.span):
        assert span.status.status_code.name == "ERROR"
        assert isinstance((span.attributes or {}).get(semconv.ERROR_TYPE), str)
    oracle.close()


def _token_points(telemetry: RecordedTelemetry) -> dict[Any, Any]:
    points = telemetry.points()[semconv.LEGACY_TOKENS_USAGE]
    # On metrics we leave out what the conventions only recommend for OpenAI: a fingerprint is one more series for each release.
    return {
        _key({k: v for k, v in attributes.items() if not k.startswith("openai.")}): value
        for attributes, value in points
    }


def _key(attributes: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(attributes.items()))


def _labels(telemetry: RecordedTelemetry, name: str) -> set[frozenset[str]]:
    return {
        frozenset(label for label in attributes if not label.startswith("openai."))
        for attributes, _ in telemetry.points()[name]
    }


def _bounds(metric: Any) -> tuple[float, ...]:
    return tuple(float(bound) for bound in metric.data.data_points[0].explicit_bounds)
