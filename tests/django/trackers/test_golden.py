"""The whole of what a call leaves in telemetry, by outcome: every name, type and value, over real LiteLLM and real HTTP.

The expected output is in `golden/`; `UPDATE_GOLDEN=1` writes it anew, for the reader of the difference to judge.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider, directive
from tests.django.builders import make_stub_config
from tests.telemetry.recording import RecordedTelemetry

pytestmark = pytest.mark.django_db

GOLDEN = Path(__file__).parent / "golden"
VARYING = frozenset(
    {
        semconv.SERVER_PORT,
        semconv.CALL_ID,
        semconv.USAGE_ID,
        semconv.RESPONSE_TIME_TO_FIRST_CHUNK,
        semconv.RETRY_DELAY,
        semconv.PRICE_VERSION,
        semconv.EXCEPTION_MESSAGE,
    }
)
"""Different with every run or every release of LiteLLM: of these the type alone is compared."""
ESTIMATED = frozenset(
    name for name in (each.name for each in semconv.SPAN_ATTRIBUTES) if "tokens" in name or "cost.amount" in name
)
"""As much as LiteLLM's tokenizer says, where the provider was not asked to the end."""
TOKENS = directive(in_=100, out=40, cached=30, reasoning=10, text="Hi there")


def ask(text: str, **options: Any) -> Any:
    return LLMTracker.call_and_track(messages=[{"role": "user", "content": text}], **options)


def read_two(text: str) -> None:
    stream = ask(text, stream=True)
    next(stream)
    next(stream)
    stream.close()


def fail(text: str, **options: Any) -> None:
    with pytest.raises(Exception, match=r"stub|JSON"):
        ask(text, **options)


OUTCOMES: dict[str, Callable[[], Any]] = {
    "succeeded": lambda: ask(TOKENS, temperature=0.5, state={"node_name": "writer", "user_id": 7}),
    "stream": lambda: list(ask(TOKENS, stream=True)),
    "failed": lambda: fail(directive(status=404, text="stub")),
    "cancelled": lambda: read_two(directive(in_=100, out=40, text="abcd", chunks=4)),
    "retried": lambda: ask(directive(status=429, retry_after=0, fail_times=1, key="golden-retry", in_=100, out=40)),
    "json_asked_twice": lambda: fail(directive(in_=100, out=40, text="[1]"), json_mode=True, json_attempts=2),
}


def typed(attributes: Any, varying: frozenset[str] = VARYING) -> dict[str, Any]:
    """Each value with its type, or its type alone where it varies."""
    return {
        name: [type(value).__name__] + ([] if name in varying else [value])
        for name, value in sorted((attributes or {}).items())
    }


def is_estimated(telemetry: RecordedTelemetry) -> bool:
    return (telemetry.span.attributes or {})[semconv.USAGE_SOURCE] == "estimated"


def span_of(telemetry: RecordedTelemetry) -> dict[str, Any]:
    span = telemetry.span
    return {
        "name": span.name,
        "kind": span.kind.name,
        "status": span.status.status_code.name,
        "attributes": typed(span.attributes, VARYING | ESTIMATED if is_estimated(telemetry) else VARYING),
        "events": [{"name": event.name, "attributes": typed(event.attributes)} for event in span.events],
    }


def metrics_of(telemetry: RecordedTelemetry) -> dict[str, Any]:
    """By metric its points. Of a histogram of seconds the count alone is there, of what is estimated the type."""
    vague = {semconv.SECONDS, *((semconv.TOKENS, semconv.CURRENCY) if is_estimated(telemetry) else ())}
    units = {name: metric.unit for name, metric in telemetry.metrics().items()}
    return {
        name: sorted(
            ([typed(attributes), _measured(value, is_vague=units[name] in vague)] for attributes, value in points),
            key=lambda point: json.dumps(point, sort_keys=True),
        )
        for name, points in sorted(telemetry.points().items())
    }


def _measured(value: Any, *, is_vague: bool) -> Any:
    if isinstance(value, tuple):
        return {"count": value[0]} | ({} if is_vague else {"sum": value[1]})
    return [type(value).__name__] + ([] if is_vague else [value])


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_telemetry_of_a_call_is_the_golden_one(stub: StubProvider, telemetry: RecordedTelemetry, outcome: str) -> None:
    make_stub_config(stub)

    OUTCOMES[outcome]()

    left = json.dumps({"span": span_of(telemetry), "metrics": metrics_of(telemetry)}, indent=1) + "\n"
    golden = GOLDEN / f"{outcome}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(left)
    assert json.loads(left) == json.loads(golden.read_text())


def test_every_golden_file_has_its_outcome() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(OUTCOMES)
