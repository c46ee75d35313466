"""Behind the collector with `otel/collector-without-contents.yaml` no word of a prompt or an answer is left, and every figure is.

A collector with the contrib distribution's processors runs the file as it is. One without them runs it with empty processors in the places of
those two, so that the merge of the two files, the order and the way through are real; what the two would do is done behind it (`overlay`).
"""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from pytest_django import Settings

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.neighbours import INSTRUMENTORS, Instrumentor
from agentcore_metering.telemetry.observer import TelemetryObserver
from example.stub_provider import StubProvider, directive
from tests.django.builders import KEY, make_stub_config
from tests.equality import of_rows, of_spans
from tests.interop import overlay
from tests.interop.instrumented import call_past_us, switched_on
from tests.interop.test_collector import OTELCOL, exporting_to, needs_collector, running_collector, wait_until
from tests.interop.test_litellm_callbacks import REQUEST_SPAN, callback
from tests.telemetry import builders
from tests.telemetry.collector import Collector, collecting
from tests.telemetry.otlp import attributes_of, spans_of
from tests.telemetry.recording import RecordedTelemetry

__all__ = ["callback"]

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("default")]

ASKED, INSTRUCTED, ANSWERED = "quillfish", "pangolin", "narwhal"
WORDS = tuple(word.encode() for word in (ASKED, INSTRUCTED, ANSWERED))
REQUIRED = {name.split("/")[0] for name in overlay.PROCESSORS}
CALLS = 3


@functools.cache
def processors() -> set[str]:
    """Those that the collector has."""
    told = subprocess.run([OTELCOL, "components"], capture_output=True, text=True, check=True, timeout=30).stdout
    section = re.search(r"^processors:\n(.*?)^\w", told, re.MULTILINE | re.DOTALL)
    assert section, told
    return set(re.findall(r"- name: (\w+)", section[1]))


def is_complete() -> bool:
    return processors() >= REQUIRED


def runnable(directory: Path) -> Path:
    """The file itself, or the same with processors that the collector has and that do nothing."""
    if is_complete():
        return overlay.FILE
    text = overlay.FILE.read_text()
    for name in overlay.PROCESSORS:
        text = text.replace(name, f"batch/{name.replace('/', '_')}")
    document = yaml.safe_load(text)
    document["processors"] = {name: {} for name in document["processors"]}
    file = directory / "overlay.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def arrived(sink: Collector) -> list[Any]:
    """The export requests behind the collector, cleaned by it or, where it cannot, as it would."""
    requests = [type(request).FromString(request.SerializeToString()) for request in sink.traces]
    if not is_complete():
        for request in requests:
            overlay.apply_overlay(request)
    return requests


def has_contents(requests: list[Any]) -> bool:
    text = b"".join(request.SerializeToString() for request in requests)
    return any(word in text for word in WORDS)


@pytest.fixture
def captured(settings: Settings) -> None:
    settings.AGENTCORE_METERING_CAPTURE_CONTENT = "SPAN_ONLY"


def call_in_every_way() -> None:
    def messages(**options: Any) -> list[dict[str, str]]:
        asked = f"about the {ASKED} {KEY} {directive(text=f'it is a {ANSWERED}', **options)}"
        return [{"role": "system", "content": f"you are a {INSTRUCTED}"}, {"role": "user", "content": asked}]

    LLMTracker.call_and_track(messages=messages(in_=40, out=8))
    list(LLMTracker.call_and_track(messages=messages(in_=50, out=9, chunks=3), stream=True))
    with pytest.raises(Exception, match=ANSWERED):
        LLMTracker.call_and_track(messages=messages(status=400))


@contextmanager
def sent_through_the_collector(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """What the calls in the body have sent is behind the collector afterwards."""
    with collecting() as sink, running_collector(sink.endpoint, runnable(directory)) as endpoint:
        with exporting_to(endpoint, monkeypatch):
            yield sink
        wait_until(lambda: len(list(spans_of(sink.traces, semconv.SCOPE_NAME))) >= CALLS)


@needs_collector
@pytest.mark.usefixtures("captured")
def test_no_word_of_a_message_is_left_and_every_figure_is(
    stub: StubProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_stub_config(stub)
    with sent_through_the_collector(tmp_path, monkeypatch) as sink:
        call_in_every_way()

    requests = arrived(sink)
    assert is_complete() or has_contents(sink.traces)  # or this would prove nothing
    assert not has_contents(requests)
    assert KEY.encode() not in b"".join(request.SerializeToString() for request in [*sink.traces, *requests])
    assert of_spans(spans_of(requests, semconv.SCOPE_NAME)) == of_rows(LLMUsage.objects.all())
    for attributes in spans_of(requests, semconv.SCOPE_NAME):
        if semconv.ERROR_TYPE not in attributes:
            assert {semconv.USAGE_INPUT_TOKENS, semconv.COST_AMOUNT, semconv.COST_CURRENCY} <= set(attributes)


@needs_collector
def test_only_the_contrib_distributions_processors_are_missing_from_a_collector_without_them() -> None:
    config = overlay.FILE.with_name("collector.yaml")
    ended = subprocess.run(
        [OTELCOL, "validate", "--config", str(config), "--config", str(overlay.FILE)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert set(re.findall(r'unknown type: "(\w+)"', ended.stderr)) <= REQUIRED - processors(), ended.stderr
    assert (ended.returncode == 0) is is_complete(), ended.stderr


def cleaned(telemetry: RecordedTelemetry) -> tuple[Any, Any]:
    """The recorded spans as they would be sent: as they are, and as the overlay leaves them."""
    request = encode_spans(telemetry.spans)
    clean = type(request).FromString(request.SerializeToString())
    overlay.apply_overlay(clean)
    return request, clean


def test_errors_that_quote_a_prompt_lose_their_text_and_keep_their_type(telemetry: RecordedTelemetry) -> None:
    failure = replace(builders.RATE_LIMITED, message=f"cannot say {ASKED}")
    observer = TelemetryObserver(telemetry.tracer_provider, telemetry.meter_provider)
    builders.observe(observer, builders.call(builders.failed_attempt(failure=failure)))

    request, clean = cleaned(telemetry)

    assert has_contents([request])
    assert not has_contents([clean])
    (span,) = (span for scope in clean.resource_spans[0].scope_spans for span in scope.spans)
    assert attributes_of(span.attributes)[semconv.ERROR_TYPE] == failure.error_type
    assert [attributes_of(event.attributes)[semconv.EXCEPTION_TYPE] for event in span.events] == [failure.error_type]


def test_users_are_told_apart_and_not_named(telemetry: RecordedTelemetry) -> None:
    observer = TelemetryObserver(telemetry.tracer_provider, telemetry.meter_provider)
    for user_id in (41, 42, 42):
        context = replace(builders.CONTEXT, user_id=user_id)
        builders.observe(observer, builders.call(builders.attempt(), context=context))

    _, clean = cleaned(telemetry)

    users = [attributes[semconv.USER_ID] for attributes in spans_of([clean], semconv.SCOPE_NAME)]
    assert users[0] != users[1] == users[2]
    assert not {"41", "42"} & set(users)


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [
        ("gen_ai.prompt.0.content", False),
        ("gen_ai.completion.0.tool_calls.0.arguments", False),
        ("traceloop.entity.input", False),
        ("gen_ai.tool.call.arguments", False),
        ("llm.prompts.0.prompt.text", False),
        ("gen_ai.usage.input_tokens", True),
        ("gen_ai.usage.cost.amount", True),
        ("gen_ai.prompt_tokens", True),
        ("llm.token_count.prompt", True),
        ("llm.model_name", True),
    ],
)
def test_names_of_contents_are_told_from_names_of_figures(
    telemetry: RecordedTelemetry, name: str, is_kept: bool
) -> None:
    telemetry.tracer_provider.get_tracer("other").start_span("call", attributes={name: "1"}).end()

    _, clean = cleaned(telemetry)

    assert [name in attributes for attributes in spans_of([clean], "other")] == [is_kept]


CAPTURING = {
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "TRACELOOP_TRACE_CONTENT": "true",
}
NEIGHBOURS = [each for each in INSTRUMENTORS if each.package != "openlit"]


def ask(stub: StubProvider, neighbour: Instrumentor) -> None:
    asked = f"about the {ASKED} {directive(text=f'it is a {ANSWERED}')}"
    messages = [{"role": "system", "content": f"you are a {INSTRUCTED}"}, {"role": "user", "content": asked}]
    call_past_us(stub, neighbour, messages)


@pytest.mark.parametrize("neighbour", NEIGHBOURS, ids=lambda each: each.package)
def test_contents_that_other_instrumentations_capture_are_left_nowhere_either(
    stub: StubProvider, telemetry: RecordedTelemetry, neighbour: Instrumentor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CAPTURING.items():
        monkeypatch.setenv(name, value)
    with switched_on(neighbour, telemetry):
        ask(stub, neighbour)

    request, clean = cleaned(telemetry)

    assert has_contents([request])
    assert not has_contents([clean]), clean


@pytest.mark.usefixtures("callback")
def test_contents_of_litellms_own_callback_are_left_nowhere_either(
    stub: StubProvider, telemetry: RecordedTelemetry
) -> None:
    ask(stub, next(each for each in NEIGHBOURS if each.sees_litellm))
    wait_until(lambda: any(span.name == REQUEST_SPAN for span in telemetry.spans))

    request, clean = cleaned(telemetry)

    assert has_contents([request])
    assert not has_contents([clean]), clean
