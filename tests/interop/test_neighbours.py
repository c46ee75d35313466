"""Beside each other instrumentation a call is counted once, and HTTP spans stay below ours wherever that leaves a choice."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.telemetry.neighbours import INSTRUMENTORS, Instrumentor, Obeys, active_instrumentors
from example.stub_provider import StubProvider, directive
from tests.django.builders import make_stub_config
from tests.django.trackers.operation_cases import CASES, OperationCase
from tests.interop.instrumented import (
    HTTPX,
    call_in_mode,
    call_past_us,
    counts_tokens,
    of_scope,
    ours,
    switched_on,
)
from tests.telemetry.recording import RecordedTelemetry

pytestmark = [
    pytest.mark.django_db,
    # Others' deprecations are not ours to mend.
    pytest.mark.filterwarnings("default"),
]

OBEDIENT = [each for each in INSTRUMENTORS if each.obeys is not Obeys.NOTHING]
MODES = ("sync", "stream", "async", "async_stream")
EACH = pytest.mark.parametrize("neighbour", OBEDIENT, ids=lambda each: each.package)


def token_sums(telemetry: RecordedTelemetry) -> dict[str, Any]:
    """By metric the tokens that it has counted, whoever did."""
    return {
        name: sum(value[1] if isinstance(value, tuple) else value for _, value in points)
        for name, points in telemetry.points().items()
        if "input_tokens" in name or "token.usage" in name
    }


@EACH
def test_neighbour_counts_a_call_that_is_not_ours(
    stub: StubProvider, telemetry: RecordedTelemetry, neighbour: Instrumentor
) -> None:
    # Without this the tests below would prove nothing.
    with switched_on(neighbour, telemetry):
        call_past_us(stub, neighbour)

    assert [span for span in telemetry.spans if counts_tokens(span)] != []


@EACH
@pytest.mark.parametrize("mode", MODES)
def test_call_is_counted_once_beside(
    stub: StubProvider, telemetry: RecordedTelemetry, neighbour: Instrumentor, mode: str
) -> None:
    make_stub_config(stub)

    with switched_on(neighbour, telemetry):
        assert neighbour in active_instrumentors()
        call_in_mode(mode)

    row = LLMUsage.objects.get()
    assert telemetry.spans == tuple(ours(telemetry.spans))
    assert len(telemetry.spans) == 1
    assert token_sums(telemetry)["gen_ai.client.inference.usage.input_tokens"] == row.prompt_tokens
    assert "gen_ai.client.token.usage" not in token_sums(telemetry)


@pytest.mark.parametrize("mode", ["sync", "stream"])
@EACH
def test_http_span_stays_below_ours(
    stub: StubProvider, telemetry: RecordedTelemetry, neighbour: Instrumentor, mode: str
) -> None:
    make_stub_config(stub)

    with switched_on(HTTPX, telemetry), switched_on(neighbour, telemetry):
        call_in_mode(mode)

    (span,) = ours(telemetry.spans)
    requests = of_scope(telemetry.spans, HTTPX.module)
    if neighbour.obeys is Obeys.SUPPRESS_INSTRUMENTATION:
        # It obeys nothing but the switch for everything.
        assert requests == []
    else:
        assert [request.parent and request.parent.span_id for request in requests] == [
            span.context and span.context.span_id
        ]


def test_all_of_them_at_once_count_once(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    with ExitStack() as stack:
        for neighbour in OBEDIENT:
            stack.enter_context(switched_on(neighbour, telemetry))
        call_in_mode("sync")

    assert len([span for span in telemetry.spans if counts_tokens(span)]) == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.function)
@EACH
def test_every_operation_is_counted_once_beside(
    stub: StubProvider, telemetry: RecordedTelemetry, neighbour: Instrumentor, case: OperationCase
) -> None:
    case.make_config(stub)

    with switched_on(neighbour, telemetry):
        case.call(directive(in_=7, out=5))

    assert LLMUsage.objects.count() == 1
    assert telemetry.spans == tuple(ours(telemetry.spans))
    assert len(telemetry.spans) == 1
