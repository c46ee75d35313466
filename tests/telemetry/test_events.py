"""Contents go on the span, on an event, on both or nowhere, as the host has chosen."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from opentelemetry import _logs as logs_api
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from agentcore_metering.core.types import CallContext, CallRecord, OutputContent
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.content import ContentMode, ContentPolicy
from agentcore_metering.telemetry.events import ContentEvent, make_emitter
from agentcore_metering.telemetry.observer import TelemetryObserver
from tests.telemetry import builders
from tests.telemetry.builders import observe
from tests.telemetry.recording import RecordedLogs, RecordedTelemetry, record_telemetry

ANSWER = OutputContent("hi there", finish_reason="stop")
BODY = {
    "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hello"}]}],
    "gen_ai.output.messages": [
        {"role": "assistant", "parts": [{"type": "text", "content": "hi there"}], "finish_reason": "stop"}
    ],
}


def answered_call() -> CallRecord:
    return builders.call(builders.attempt(), output=ANSWER)


def observer_of(telemetry: RecordedTelemetry, mode: ContentMode, logs: RecordedLogs | None = None) -> TelemetryObserver:
    provider = logs.provider if logs is not None else None
    return TelemetryObserver(
        telemetry.tracer_provider, telemetry.meter_provider, logger_provider=provider, content=ContentPolicy(mode)
    )


def test_span_carries_contents_as_json_text_when_asked_for(telemetry: RecordedTelemetry) -> None:
    observe(observer_of(telemetry, ContentMode.SPAN_ONLY), answered_call())

    attributes: Any = telemetry.span.attributes
    assert {name: json.loads(attributes[name]) for name in BODY} == BODY


def test_span_and_event_name_the_conversation(telemetry: RecordedTelemetry, logs: RecordedLogs) -> None:
    caller = CallContext(conversation_id="talk-7")

    observe(observer_of(telemetry, ContentMode.EVENT_ONLY, logs), replace(answered_call(), context=caller))

    for attributes in (telemetry.span.attributes or {}, logs.event.attributes):
        assert attributes["gen_ai.conversation.id"] == "talk-7"
    assert logs.event.schema_url == semconv.SCHEMA_URL


@pytest.mark.parametrize("mode", [ContentMode.NO_CONTENT, ContentMode.EVENT_ONLY])
def test_span_carries_no_contents_otherwise(telemetry: RecordedTelemetry, mode: ContentMode) -> None:
    observe(observer_of(telemetry, mode), answered_call())

    assert BODY.keys() & (telemetry.span.attributes or {}).keys() == set()


def test_contents_change_nothing_else_on_the_span(telemetry: RecordedTelemetry) -> None:
    observe(observer_of(telemetry, ContentMode.NO_CONTENT), answered_call())
    observe(observer_of(telemetry, ContentMode.SPAN_ONLY), answered_call())

    plain, with_contents = (dict(span.attributes or {}) for span in telemetry.spans)
    assert {name: value for name, value in with_contents.items() if name not in BODY} == plain


@pytest.mark.parametrize("mode", [ContentMode.EVENT_ONLY, ContentMode.SPAN_AND_EVENT])
def test_event_carries_contents_in_its_body_and_the_spans_attributes(
    telemetry: RecordedTelemetry, logs: RecordedLogs, mode: ContentMode
) -> None:
    observe(observer_of(telemetry, mode, logs), answered_call())

    event = logs.event
    span_context = telemetry.span.get_span_context()
    attributes = {name: value for name, value in (telemetry.span.attributes or {}).items() if name not in BODY}
    assert span_context is not None
    assert event.name == "gen_ai.client.inference.operation.details"
    assert event.body == BODY
    assert event.attributes == attributes
    assert (event.trace_id, event.span_id) == (span_context.trace_id, span_context.span_id)
    assert event.timestamp == telemetry.span.end_time
    assert event.scope == "agentcore_metering"


@pytest.mark.parametrize("mode", [ContentMode.NO_CONTENT, ContentMode.SPAN_ONLY])
def test_no_event_is_emitted_otherwise(telemetry: RecordedTelemetry, logs: RecordedLogs, mode: ContentMode) -> None:
    observe(observer_of(telemetry, mode, logs), answered_call())

    assert logs.events == []


def test_event_of_a_call_that_is_not_sampled_is_emitted(logs: RecordedLogs) -> None:
    telemetry = record_telemetry(ALWAYS_OFF)

    observe(observer_of(telemetry, ContentMode.SPAN_AND_EVENT, logs), answered_call())

    assert logs.event.body == BODY
    telemetry.close()


def test_embeddings_leave_no_event(telemetry: RecordedTelemetry, logs: RecordedLogs) -> None:
    observe(observer_of(telemetry, ContentMode.EVENT_ONLY, logs), builders.embeddings_call())

    assert logs.events == []


@pytest.mark.parametrize(
    ("mode", "sampler", "is_wanted"),
    [
        (ContentMode.NO_CONTENT, None, False),
        (ContentMode.SPAN_ONLY, None, True),
        (ContentMode.SPAN_ONLY, ALWAYS_OFF, False),
        (ContentMode.EVENT_ONLY, ALWAYS_OFF, True),
    ],
)
def test_answer_is_wanted_only_where_it_can_go(mode: ContentMode, sampler: Any, is_wanted: bool) -> None:
    telemetry = record_telemetry(sampler) if sampler else record_telemetry()
    record = answered_call()

    observation = observer_of(telemetry, mode).call_started(record.request, record.context, record.started_at)

    assert observation.wants_output is is_wanted
    telemetry.close()


def test_mode_of_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert TelemetryObserver().content.mode is ContentMode.NO_CONTENT
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")

    assert TelemetryObserver().content.mode is ContentMode.SPAN_ONLY


def test_span_and_metrics_are_complete_when_redaction_fails(telemetry: RecordedTelemetry) -> None:
    def refuse(text: str) -> str:
        raise LookupError("no rules")

    policy = ContentPolicy(ContentMode.SPAN_ONLY, redact=refuse)
    observer = TelemetryObserver(telemetry.tracer_provider, telemetry.meter_provider, content=policy)

    with pytest.raises(LookupError, match="no rules"):
        observe(observer, answered_call())

    attributes = telemetry.span.attributes or {}
    assert telemetry.span.end_time is not None
    assert attributes["agentcore_metering.status"] == "succeeded"
    assert BODY.keys() & attributes.keys() == set()
    assert "agentcore_metering.calls" in telemetry.points()


def some_event() -> ContentEvent:
    span = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=False))
    return ContentEvent({"a": 1}, {"b": 2}, trace.set_span_in_context(span, context_api.Context()), 3)


class OldLogger:
    """As `opentelemetry._logs.Logger` before log records had event names."""

    def emit(self, record: Any) -> None:
        raise AssertionError("an API record is not what an SDK of that time takes")


class OldEvents(ModuleType):
    """As `opentelemetry._events` of that time."""

    def __init__(self) -> None:
        super().__init__("opentelemetry._events")
        self.asked: list[Any] = []
        self.emitted: list[dict[str, Any]] = []

    def get_event_logger(self, *scope: str, event_logger_provider: Any) -> Any:
        self.asked.append((scope, event_logger_provider))
        return self

    @staticmethod
    def Event(**values: Any) -> dict[str, Any]:  # noqa: N802 - as it is called there
        return values

    def emit(self, event: dict[str, Any]) -> None:
        self.emitted.append(event)


def test_event_goes_through_event_loggers_where_log_records_have_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    events, provider = OldEvents(), object()
    monkeypatch.setattr(logs_api, "Logger", OldLogger)
    monkeypatch.setitem(sys.modules, "opentelemetry._events", events)

    make_emitter(provider)(some_event())

    assert events.asked == [(("agentcore_metering", "0.1.0", semconv.SCHEMA_URL), provider)]
    assert events.emitted == [
        {
            "name": "gen_ai.client.inference.operation.details",
            "timestamp": 3,
            "trace_id": 1,
            "span_id": 2,
            "trace_flags": 0,
            "body": {"a": 1},
            "severity_number": logs_api.SeverityNumber.INFO,
            "attributes": {"b": 2},
        }
    ]


def test_event_goes_through_named_log_records_where_there_are_such(monkeypatch: pytest.MonkeyPatch) -> None:
    class NewLogger:
        emitted: dict[str, Any]

        def emit(self, record: Any = None, *, event_name: str, **values: Any) -> None:
            self.emitted = {"event_name": event_name, **values}

    new_logger, event = NewLogger(), some_event()
    monkeypatch.setattr(logs_api, "Logger", NewLogger)
    monkeypatch.setattr(logs_api, "get_logger", lambda name, version, logger_provider, schema_url: new_logger)

    make_emitter()(event)

    assert new_logger.emitted == {
        "event_name": "gen_ai.client.inference.operation.details",
        "timestamp": 3,
        "context": event.context,
        "severity_number": logs_api.SeverityNumber.INFO,
        "body": {"a": 1},
        "attributes": {"b": 2},
    }


def test_event_is_dropped_and_told_where_the_api_has_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logs_api, "Logger", OldLogger)
    monkeypatch.setitem(sys.modules, "opentelemetry._events", None)

    emit = make_emitter()
    emit(some_event())
    emit(some_event())

    assert len(caplog.records) == 1
    assert "lacks events" in caplog.text
