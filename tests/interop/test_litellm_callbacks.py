"""LiteLLM's own OpenTelemetry callback keeps its span, below ours, and writes nothing on ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.adapters.django.checks.neighbours import check_neighbours
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider, directive
from tests.django.builders import make_stub_config
from tests.interop.instrumented import MESSAGES, call_in_mode, of_scope, ours
from tests.telemetry.recording import RecordedTelemetry

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("default")]

LISTS = ("callbacks", "success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback")
REQUEST_SPAN = "litellm_request"


@pytest.fixture
def callback(telemetry: RecordedTelemetry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """LiteLLM's `otel` callback, registered as a host does; its spans go where all others go."""
    monkeypatch.delenv("LITELLM_OTEL_V2", raising=False)
    litellm = pytest.importorskip("litellm")
    integration = pytest.importorskip("litellm.integrations.opentelemetry")
    for name in LISTS:
        monkeypatch.setattr(litellm, name, [], raising=False)
    logger = integration.OpenTelemetry(tracer_provider=telemetry.tracer_provider)
    litellm.callbacks = [logger]
    return logger


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """LiteLLM calls back from a thread, a moment later."""
    give_up_at_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_at_s, "LiteLLM did not call back"
        time.sleep(0.01)


@pytest.mark.parametrize("mode", ["sync", "stream"])
@pytest.mark.usefixtures("callback")
def test_callback_makes_its_own_span_below_ours(
    stub: StubProvider, telemetry: RecordedTelemetry, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_stub_config(stub)

    call_in_mode(mode)
    wait_until(lambda: any(span.name == REQUEST_SPAN for span in telemetry.spans))

    (span,) = ours(telemetry.spans)
    (request,) = (each for each in of_scope(telemetry.spans, "litellm") if each.name == REQUEST_SPAN)
    assert request.parent is not None
    assert span.context is not None
    assert (request.parent.span_id, request.parent.trace_id) == (span.context.span_id, span.context.trace_id)
    known = {each.name for each in semconv.SPAN_ATTRIBUTES}
    assert set(span.attributes or {}) <= known
    assert "ended span" not in caplog.text


@pytest.mark.usefixtures("callback")
def test_callback_of_a_failed_call_does_the_same(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub, config={"num_retries": 0})

    with pytest.raises(Exception, match="no such model"):
        LLMTracker.call_and_track(messages=[{"role": "user", "content": directive(status=404, text="no such model")}])
    wait_until(lambda: any(span.name == REQUEST_SPAN for span in telemetry.spans))

    (span,) = ours(telemetry.spans)
    assert set(span.attributes or {}) <= {each.name for each in semconv.SPAN_ATTRIBUTES}
    assert (span.status.status_code.name, [event.name for event in span.events]) == ("ERROR", ["exception"])


@pytest.mark.usefixtures("callback")
def test_callback_goes_below_the_callers_own_parent(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    LLMTracker.call_and_track(messages=MESSAGES, state={"otel_traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})
    wait_until(lambda: any(span.name == REQUEST_SPAN for span in telemetry.spans))

    (request,) = (each for each in telemetry.spans if each.name == REQUEST_SPAN)
    assert request.parent is not None
    assert format(request.parent.span_id, "016x") == "2" * 16


@pytest.mark.usefixtures("callback", "telemetry")
def test_check_names_the_callback() -> None:
    (found,) = check_neighbours()

    assert found.id == "agentcore_metering.W120"
