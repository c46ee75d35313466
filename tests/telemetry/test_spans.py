"""A call's span: its place in the trace, its times, its sampling, and what is current meanwhile."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider, SpanKind, StatusCode

from agentcore_metering.core.ports import CallObservation
from agentcore_metering.core.types import CallContext, Operation
from agentcore_metering.telemetry import neighbours
from agentcore_metering.telemetry.observer import TelemetryObserver
from tests.telemetry import builders
from tests.telemetry.builders import STARTED_AT, observe
from tests.telemetry.recording import RecordedTelemetry, record_telemetry

STARTED_NS = 1767323045_678901_000  # 2026-01-02T03:04:05.678901Z
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
LANGUAGE_MODEL_KEY = "suppress_language_model_instrumentation"


def started(observer: TelemetryObserver, **context_values: Any) -> CallObservation:
    call_context = CallContext(**context_values)
    return observer.call_started(builders.request(builders.STREAM), call_context, STARTED_AT)


def end(observation: CallObservation) -> None:
    observation.call_ended(builders.succeeded_call())


@contextmanager
def host_span(tracer_provider: trace.TracerProvider) -> Iterator[trace.Span]:
    with tracer_provider.get_tracer("host").start_as_current_span("request") as span:
        yield span


def test_span_lasts_from_the_calls_start_for_its_duration(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, replace(builders.succeeded_call(), duration_s=1.234567891))

    assert telemetry.span.start_time == STARTED_NS
    assert telemetry.span.end_time == STARTED_NS + 1_234_567_891


def test_span_is_a_client_span_of_our_scope(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, builders.succeeded_call())

    assert telemetry.span.kind is SpanKind.CLIENT
    scope = telemetry.span.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version) == ("agentcore_metering", "0.1.0")
    assert scope.schema_url == "https://opentelemetry.io/schemas/gen-ai/0.1.0"


class RememberingSampler(Sampler):
    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *args: Any, **kwargs: Any) -> SamplingResult:
        attributes = kwargs.get("attributes", args[1] if len(args) > 1 else None)
        self.asked.append((name, dict(attributes or {})))
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return "remembers what it was asked"


def test_sampler_is_given_the_attributes_of_the_conventions() -> None:
    sampler = RememberingSampler()
    telemetry = record_telemetry(sampler)

    started(telemetry.observer)

    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.stream": True,
        "server.address": "api.openai.com",
        "server.port": 443,
    }
    assert sampler.asked == [("chat gpt-4o-mini", attributes)]
    telemetry.close()


def test_parent_is_the_current_span(telemetry: RecordedTelemetry) -> None:
    with host_span(telemetry.tracer_provider) as host:
        observation = started(telemetry.observer)
    end(observation)

    (call_span,) = (span for span in telemetry.spans if span.name != "request")
    assert call_span.parent == host.get_span_context()


def test_parent_is_the_remote_span_of_a_given_traceparent(telemetry: RecordedTelemetry) -> None:
    with host_span(telemetry.tracer_provider):
        end(started(telemetry.observer, traceparent=TRACEPARENT))

    (call_span,) = (span for span in telemetry.spans if span.name != "request")
    assert call_span.parent is not None
    assert call_span.parent.is_remote
    assert trace.format_trace_id(call_span.parent.trace_id) == TRACE_ID
    assert trace.format_span_id(call_span.parent.span_id) == "b7ad6b7169203331"


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01"])
def test_parent_stays_the_current_span_when_traceparent_is_invalid(
    telemetry: RecordedTelemetry, traceparent: str
) -> None:
    with host_span(telemetry.tracer_provider) as host:
        end(started(telemetry.observer, traceparent=traceparent))

    (call_span,) = (span for span in telemetry.spans if span.name != "request")
    assert call_span.parent == host.get_span_context()


def test_link_is_the_hex_ids_of_the_span(telemetry: RecordedTelemetry) -> None:
    observation = observe(telemetry.observer, builders.succeeded_call())

    ids = telemetry.span.get_span_context()
    assert ids is not None
    assert observation.trace is not None
    assert observation.trace.trace_id == f"{ids.trace_id:032x}"
    assert observation.trace.span_id == f"{ids.span_id:016x}"
    assert observation.trace.is_sampled


@pytest.mark.parametrize("tracer_provider", [NoOpTracerProvider(), ProxyTracerProvider()], ids=["no-op", "proxy"])
@pytest.mark.parametrize("traceparent", [None, TRACEPARENT])
def test_hosts_span_is_left_alone_when_our_tracer_makes_none(
    telemetry: RecordedTelemetry, tracer_provider: trace.TracerProvider, traceparent: str | None
) -> None:
    with host_span(telemetry.tracer_provider) as host:
        observation = started(TelemetryObserver(tracer_provider), traceparent=traceparent)
        end(observation)
        assert host.is_recording()

    assert observation.trace is None
    assert not telemetry.span.attributes
    assert not telemetry.span.events


def test_failed_call_has_error_status_and_an_exception_event_without_stack_trace(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, builders.failed_call())

    status, (event,) = telemetry.span.status, telemetry.span.events
    assert (status.status_code, status.description) == (StatusCode.ERROR, "no answer in 30 s")
    assert event.name == "exception"
    assert event.timestamp == telemetry.span.end_time
    assert event.attributes == {"exception.type": "Timeout", "exception.message": "no answer in 30 s"}


def test_failed_call_without_failure_has_the_fallback_error_type(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, replace(builders.failed_call(), failure=None))

    assert (telemetry.span.attributes or {})["error.type"] == "_OTHER"
    assert telemetry.span.status.status_code is StatusCode.ERROR


def test_cancelled_call_has_no_error_even_when_it_carries_a_failure(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, replace(builders.cancelled_stream(), failure=builders.TIMED_OUT))

    assert telemetry.span.status.status_code is StatusCode.UNSET
    assert "error.type" not in (telemetry.span.attributes or {})
    assert not telemetry.span.events


def test_each_retried_attempt_is_an_event_with_the_delay_that_followed(telemetry: RecordedTelemetry) -> None:
    observe(telemetry.observer, builders.retried_call())

    first, second = telemetry.span.events
    assert (first.name, first.timestamp) == ("agentcore_metering.retry", STARTED_NS + 1_250_000_000)
    assert first.attributes == {
        "agentcore_metering.retry.attempt": 1,
        "agentcore_metering.retry.delay": 1.25,  # started 2.5 s after the first one, which took 1.25 s
        "agentcore_metering.usage.id": "01940000-0000-7000-8000-000000000001",
        "error.type": "EmptyResponse",
    }
    assert (second.attributes or {})["agentcore_metering.retry.attempt"] == 2
    assert (second.attributes or {})["error.type"] == "RateLimitError"


def test_retry_delay_is_zero_when_the_clock_was_set_back(telemetry: RecordedTelemetry) -> None:
    earlier = builders.attempt(2, started_at=STARTED_AT - timedelta(hours=1))

    observe(telemetry.observer, builders.call(builders.failed_attempt(), earlier))

    assert (telemetry.span.events[0].attributes or {})["agentcore_metering.retry.delay"] == 0.0


def test_nothing_is_set_or_sent_after_the_end(telemetry: RecordedTelemetry, caplog: pytest.LogCaptureFixture) -> None:
    observation = observe(telemetry.observer, builders.succeeded_call())

    end(observation)

    assert len(telemetry.spans) == 1
    assert caplog.records == []


def test_span_shows_no_secret_and_no_content(telemetry: RecordedTelemetry) -> None:
    for scenario in builders.SCENARIOS:
        observe(telemetry.observer, scenario())

    sent = "".join(span.to_json() for span in telemetry.spans)
    assert builders.SECRET not in sent
    assert "hello" not in sent


def test_activate_makes_the_span_current_and_silences_others_then_restores(telemetry: RecordedTelemetry) -> None:
    before = context.get_current()
    observation = started(telemetry.observer)

    with observation.activate():
        current = trace.get_current_span().get_span_context()
        assert context.get_value(LANGUAGE_MODEL_KEY) is True
    end(observation)

    assert current == telemetry.span.get_span_context()
    assert context.get_current() == before
    assert context.get_value(LANGUAGE_MODEL_KEY) is None


def test_activate_restores_the_context_when_the_provider_raises(telemetry: RecordedTelemetry) -> None:
    before = context.get_current()
    observation = started(telemetry.observer)

    with pytest.raises(TimeoutError), observation.activate():
        raise TimeoutError

    assert context.get_current() == before


def test_activate_without_sdk_still_silences_others() -> None:
    with started(TelemetryObserver(NoOpTracerProvider())).activate():
        assert context.get_value(LANGUAGE_MODEL_KEY) is True


def test_activate_without_sdk_leaves_the_hosts_span_current(telemetry: RecordedTelemetry) -> None:
    with host_span(telemetry.tracer_provider) as host, started(TelemetryObserver(NoOpTracerProvider())).activate():
        assert trace.get_current_span() is host


def test_activate_again_in_another_thread_leaks_into_neither(telemetry: RecordedTelemetry) -> None:
    seen: list[tuple[trace.SpanContext, bool]] = []
    observation = started(telemetry.observer)

    def read_a_chunk() -> None:
        before = context.get_current()
        with observation.activate():
            current = trace.get_current_span().get_span_context()
        seen.append((current, context.get_current() == before))

    read_a_chunk()
    for _ in range(2):
        thread = threading.Thread(target=read_a_chunk)
        thread.start()
        thread.join()
    end(observation)

    assert seen == [(telemetry.span.get_span_context(), True)] * 3


def test_activate_keeps_the_baggage_that_the_call_was_started_with(telemetry: RecordedTelemetry) -> None:
    token = context.attach(baggage.set_baggage("tenant", "acme"))
    observation = started(telemetry.observer)
    context.detach(token)

    with observation.activate():
        assert baggage.get_baggage("tenant") == "acme"


@dataclass
class InnerData:
    """What the inner instrumentation publishes into."""


@pytest.fixture
def util_genai(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    module = ModuleType("opentelemetry.util.genai.invocation")
    module.__dict__.update(CLIENT_INFERENCE_CONTEXT_KEY="inference", InferenceData=InnerData)
    for name in ("opentelemetry.util.genai", module.__name__):
        monkeypatch.setitem(sys.modules, name, module)
    neighbours.util_genai_slot.cache_clear()
    yield module
    neighbours.util_genai_slot.cache_clear()


@pytest.mark.usefixtures("util_genai")
def test_activate_silences_the_official_instrumentations_where_installed(telemetry: RecordedTelemetry) -> None:
    first, second = started(telemetry.observer), started(telemetry.observer)

    with first.activate():
        published = context.get_value("inference")
    with second.activate():
        assert isinstance(published, InnerData)
        assert context.get_value("inference") is not published  # one object for each call


@pytest.mark.parametrize("key_name", ["CLIENT_EMBEDDING_CONTEXT_KEY", "EMBEDDING_CONTEXT_KEY"])
def test_activate_silences_embeddings_by_the_key_of_the_installed_release(
    telemetry: RecordedTelemetry, util_genai: ModuleType, key_name: str
) -> None:
    util_genai.__dict__.update({key_name: key_name, "EmbeddingData": InnerData})
    embedding = telemetry.observer.call_started(builders.request(builders.EMBEDDINGS), CallContext(), STARTED_AT)

    with embedding.activate():
        assert isinstance(context.get_value(key_name), InnerData)


@pytest.mark.usefixtures("util_genai")
def test_activate_does_without_what_the_installed_release_lacks(telemetry: RecordedTelemetry) -> None:
    embedding = telemetry.observer.call_started(builders.request(builders.EMBEDDINGS), CallContext(), STARTED_AT)

    with embedding.activate():
        assert context.get_value(LANGUAGE_MODEL_KEY) is True


def test_official_instrumentations_key_is_absent_where_they_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.util.genai.invocation", None)
    neighbours.util_genai_slot.cache_clear()

    assert neighbours.util_genai_slot(Operation.CHAT) is None
    neighbours.util_genai_slot.cache_clear()


def test_unsampled_span_is_current_inside_activate() -> None:
    telemetry = record_telemetry(ALWAYS_OFF)
    observation = started(telemetry.observer)

    with observation.activate():
        current = trace.get_current_span().get_span_context()

    assert observation.trace is not None
    assert trace.format_span_id(current.span_id) == observation.trace.span_id
    telemetry.close()
