"""Contents are captured as the conventions model them, redacted and cut to size, and only when asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from agentcore_metering.core.types import CallRecord, OutputContent, Status
from agentcore_metering.telemetry import content
from agentcore_metering.telemetry.content import CapturedContent, ContentMode, ContentPolicy, mode_from_environment
from agentcore_metering.telemetry.messages import PART_CHARS, TRUNCATION_MARK
from tests.telemetry import builders
from tests.telemetry.builders import SECRET

ENV = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
MARK = TRUNCATION_MARK
CAPTURING = ContentPolicy(ContentMode.SPAN_AND_EVENT)


@pytest.fixture(autouse=True)
def _nothing_told_yet() -> None:
    content._parsed_mode.cache_clear()


def record_of(messages: Any, output: OutputContent | None = None, **changes: Any) -> CallRecord:
    request = builders.request()
    request = replace(request, arguments={**request.arguments, "messages": messages})
    return builders.call(builders.attempt(), call_request=request, output=output, **changes)


def captured(messages: Any = (), output: OutputContent | None = None, **policy: Any) -> CapturedContent:
    return replace(CAPTURING, **policy).capture(record_of(messages, output))


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        (None, ContentMode.NO_CONTENT),
        ("", ContentMode.NO_CONTENT),
        ("NO_CONTENT", ContentMode.NO_CONTENT),
        ("SPAN_ONLY", ContentMode.SPAN_ONLY),
        (" event_only ", ContentMode.EVENT_ONLY),
        ("SPAN_AND_EVENT", ContentMode.SPAN_AND_EVENT),
        ("true", ContentMode.SPAN_AND_EVENT),
        ("False", ContentMode.NO_CONTENT),
    ],
)
def test_mode_is_what_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str | None, mode: ContentMode
) -> None:
    if value is None:
        monkeypatch.delenv(ENV, raising=False)
    else:
        monkeypatch.setenv(ENV, value)

    assert mode_from_environment() is mode
    assert caplog.text == ""


def test_unknown_mode_captures_nothing_and_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENV, "EVERYTHING")

    modes = {ContentPolicy.from_environment().mode for _ in range(3)}

    assert modes == {ContentMode.NO_CONTENT}
    assert len(caplog.records) == 1
    assert "'EVERYTHING'" in caplog.text


@pytest.mark.parametrize(
    ("mode", "is_on_span", "is_on_event"),
    [
        (ContentMode.NO_CONTENT, False, False),
        (ContentMode.SPAN_ONLY, True, False),
        (ContentMode.EVENT_ONLY, False, True),
        (ContentMode.SPAN_AND_EVENT, True, True),
    ],
)
def test_mode_says_where_contents_go(mode: ContentMode, is_on_span: bool, is_on_event: bool) -> None:
    assert (mode.is_on_span, mode.is_on_event) == (is_on_span, is_on_event)


TEXT = {"type": "text", "content": "hello"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
CALL_PART = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Paris"}}
PIXELS = "data:image/png;base64,aGVsbG8h"  # 6 bytes

MESSAGES: dict[str, tuple[Any, Any]] = {
    "text": ({"role": "user", "content": "hello"}, {"role": "user", "parts": [TEXT]}),
    "no role": ({"content": "hello"}, {"role": "user", "parts": [TEXT]}),
    "an object": (SimpleNamespace(role="user", content="hello"), {"role": "user", "parts": [TEXT]}),
    "text parts": (
        {"role": "user", "content": [{"type": "text", "text": "hello"}, {"type": "input_text", "text": None}]},
        {"role": "user", "parts": [TEXT, {"type": "text", "content": ""}]},
    ),
    "image address": (
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "https://me:pw@cdn.test/cat.png?sig=abcd#top"}}],
        },
        {"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "https://cdn.test/cat.png"}]},
    ),
    "image address that is none": (
        {"role": "user", "content": [{"type": "image_url", "image_url": "http://[broken"}]},
        {"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": ""}]},
    ),
    "inline image": (
        {"role": "user", "content": [{"type": "image_url", "image_url": PIXELS}]},
        {
            "role": "user",
            "parts": [{"type": "blob", "modality": "image", "mime_type": "image/png", "size_bytes": 6}],
        },
    ),
    "bare base64": (
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "aGVsbG8h"}}]},
        {"role": "user", "parts": [{"type": "blob", "modality": "image", "size_bytes": 6}]},
    ),
    "audio": (
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "aGVsbG8h", "format": "wav"}}]},
        {
            "role": "user",
            "parts": [{"type": "blob", "modality": "audio", "mime_type": "audio/wav", "size_bytes": 6}],
        },
    ),
    "audio of no format": (
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
        {"role": "user", "parts": [{"type": "blob", "modality": "audio", "size_bytes": 0}]},
    ),
    "file": (
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-7"}}]},
        {"role": "user", "parts": [{"type": "file", "modality": "document", "file_id": "file-7"}]},
    ),
    "inline file": (
        {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,aGVsbG8h"}}]},
        {
            "role": "user",
            "parts": [{"type": "blob", "modality": "document", "mime_type": "application/pdf", "size_bytes": 6}],
        },
    ),
    "unknown part": (
        {"role": "user", "content": [{"type": "hologram", "data": "secret"}]},
        {"role": "user", "parts": [{"type": "hologram"}]},
    ),
    "tool calls": (
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "parts": [CALL_PART]},
    ),
    "tool call without id and arguments": (
        {"role": "assistant", "content": "hello", "tool_calls": [{"function": {}}]},
        {"role": "assistant", "parts": [TEXT, {"type": "tool_call", "name": ""}]},
    ),
    "reasoning": (
        {"role": "assistant", "content": "hello", "reasoning_content": "hm"},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, TEXT]},
    ),
    "tool result": (
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "rain"}]},
    ),
    "tool result in parts": (
        {"role": "function", "content": [{"type": "text", "text": "hello"}]},
        {"role": "function", "parts": [{"type": "tool_call_response", "response": [TEXT]}]},
    ),
}


@pytest.mark.parametrize(("message", "expected"), MESSAGES.values(), ids=list(MESSAGES))
def test_input_message_becomes_the_conventions_message(message: Any, expected: Any) -> None:
    assert captured([message]).input_messages == [expected]


def test_leading_instructions_are_apart_and_later_ones_stay_in_place() -> None:
    messages = [
        {"role": "system", "content": "be kind"},
        {"role": "developer", "content": [{"type": "text", "text": "be brief"}]},
        {"role": "user", "content": "hello"},
        {"role": "system", "content": "be kinder"},
    ]

    result = captured(messages)

    assert [part["content"] for part in result.system_instructions] == ["be kind", "be brief"]
    assert [message["role"] for message in result.input_messages] == ["user", "system"]


@pytest.mark.parametrize("messages", [None, "hello", iter([{"role": "user", "content": "hello"}])])
def test_messages_that_are_no_list_are_not_touched(messages: Any) -> None:
    assert captured(messages).body == {}
    if messages is not None:
        assert list(messages)


@pytest.mark.parametrize(
    "arguments",
    [{"prompt": "hello"}, {"input": "hello"}, {"query": "hello"}, {"input": [{"role": "user", "content": "hello"}]}],
)
def test_a_prompt_without_messages_is_a_message_of_the_users(arguments: dict[str, Any]) -> None:
    request = replace(builders.request(), arguments={**arguments, "instructions": "be brief"})

    found = CAPTURING.capture(builders.call(builders.attempt(), call_request=request))

    assert found.input_messages == [{"role": "user", "parts": [TEXT]}]
    assert found.system_instructions == [{"type": "text", "content": "be brief"}]


def test_embeddings_have_no_messages() -> None:
    record = builders.call(builders.attempt(target=builders.EMBEDDINGS))

    assert CAPTURING.capture(record).body == {}


ARGUMENTS: dict[str, tuple[str, Any]] = {
    "whole": ('{"a": [1, 2.5, true]}', {"a": [1, 2.5, True]}),
    "not JSON": ('{"a": ', '{"a": '),
    "null": ('{"a": null, "b": [null]}', {"b": ["null"]}),
    "beyond 64 bits": ('{"a": 9223372036854775808}', {"a": "9223372036854775808"}),
    "infinite": ('{"a": Infinity}', {"a": "Infinity"}),
    "lone surrogate": ('{"\\ud800": "\\ud800"}', {"?": "?"}),
    "deep": ("[" * 40 + "]" * 40, json.loads("[" * 16 + '"' + "[" * 24 + "]" * 24 + '"' + "]" * 16)),
    "too deep to read": ("[" * 3_000, "[" * 3_000),
}


@pytest.mark.parametrize(("arguments", "expected"), ARGUMENTS.values(), ids=list(ARGUMENTS))
def test_tool_arguments_are_structured_where_they_can_be_sent(arguments: str, expected: Any) -> None:
    call = {"function": {"name": "f", "arguments": arguments}}

    (message,) = captured([{"role": "assistant", "tool_calls": [call]}]).input_messages

    assert message["parts"] == [{"type": "tool_call", "name": "f", "arguments": expected}]


OUTPUTS: dict[str, tuple[OutputContent | None, dict[str, Any], list[Any]]] = {
    "none": (None, {}, []),
    "text": (
        OutputContent("hello", None, (), "stop"),
        {},
        [{"role": "assistant", "parts": [TEXT], "finish_reason": "stop"}],
    ),
    "reasoning and tool calls": (
        OutputContent("", "hm", (CALL,), "tool_calls"),
        {},
        [
            {
                "role": "assistant",
                "parts": [{"type": "reasoning", "content": "hm"}, CALL_PART],
                "finish_reason": "tool_calls",
            }
        ],
    ),
    "no finish reason": (OutputContent("hello"), {}, [{"role": "assistant", "parts": [TEXT]}]),
    "cut short": (
        OutputContent("hello"),
        {"status": Status.CANCELLED},
        [{"role": "assistant", "parts": [TEXT], "finish_reason": "error"}],
    ),
}


@pytest.mark.parametrize(("output", "changes", "expected"), OUTPUTS.values(), ids=list(OUTPUTS))
def test_answer_becomes_an_output_message(output: OutputContent | None, changes: Any, expected: list[Any]) -> None:
    assert CAPTURING.capture(record_of([], output, **changes)).output_messages == expected


EVERYWHERE = [
    {"role": "system", "content": f"instruction {SECRET}"},
    {"role": f"role {SECRET}", "content": f"text {SECRET}"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": SECRET},
            {"type": f"kind {SECRET}"},
            {"type": "image_url", "image_url": f"https://host/{SECRET}"},
            {"type": "image_url", "image_url": f"data:{SECRET};base64,xx"},
            {"type": "file", "file": {"file_id": SECRET}},
        ],
    },
    {
        "role": "assistant",
        "reasoning_content": SECRET,
        "tool_calls": [{"id": SECRET, "function": {"name": SECRET, "arguments": f'{{"{SECRET}": "{SECRET}"}}'}}],
    },
    {"role": "tool", "tool_call_id": SECRET, "content": SECRET},
]
SAID = OutputContent(
    SECRET, SECRET, ({"id": SECRET, "function": {"name": SECRET, "arguments": f'"{SECRET}"'}},), "stop"
)


def test_secrets_are_masked_in_every_text() -> None:
    result = captured(EVERYWHERE, SAID)

    assert SECRET not in json.dumps(result.body)
    assert "***" in json.dumps(result.body)


def test_what_is_shaped_like_a_key_is_masked_though_it_is_not_the_calls_own() -> None:
    result = captured([{"role": "user", "content": "use sk-someoneelses0123456789 please"}])

    assert result.input_messages[0]["parts"][0]["content"] == "use *** please"


def test_host_redaction_sees_every_text_and_secrets_are_masked_after_it() -> None:
    result = captured(EVERYWHERE, SAID, redact=lambda text: f"<{text}>")

    texts = [
        value for part in result.system_instructions + result.output_messages[0]["parts"] for value in part.values()
    ]
    assert "<instruction ***>" in texts
    assert "<***>" in texts
    assert SECRET not in json.dumps(result.body)


def test_redaction_that_fails_captures_nothing() -> None:
    def refuse(text: str) -> str:
        raise LookupError("no rules")

    with pytest.raises(LookupError, match="no rules"):
        captured([{"role": "user", "content": "hello"}], redact=refuse)


def test_text_beyond_the_limit_is_cut_and_marked() -> None:
    # 32 for the message, 4 for its role, 32 for its part, 5 for the text
    limit = 2 * PART_CHARS + len("user") + 5

    result = captured([{"role": "user", "content": "hello world"}], max_chars=limit)

    assert result.input_messages == [{"role": "user", "parts": [{"type": "text", "content": "hello" + MARK}]}]
    assert result.is_truncated
    assert result.span_attributes["agentcore_metering.content.truncated"] is True


def test_text_of_just_the_limit_is_whole() -> None:
    limit = 2 * PART_CHARS + len("user") + len("hello")

    result = captured([{"role": "user", "content": "hello"}], max_chars=limit)

    assert not result.is_truncated
    assert "agentcore_metering.content.truncated" not in result.span_attributes


def test_secret_at_the_cut_is_masked_before_it() -> None:
    limit = 2 * PART_CHARS + len("user") + 6

    result = captured([{"role": "user", "content": f"key {SECRET}"}], max_chars=limit)

    assert result.input_messages[0]["parts"][0]["content"] == "key **" + MARK


def test_answer_and_newest_messages_are_kept_before_the_oldest() -> None:
    messages = [{"role": "system", "content": "rules"}]
    messages += [{"role": "user", "content": f"question {number:02}"} for number in range(50)]

    result = captured(messages, OutputContent("answer"), max_chars=400)

    assert result.output_messages[0]["parts"] == [{"type": "text", "content": "answer"}]
    assert result.system_instructions == [{"type": "text", "content": "rules"}]
    kept = [message["parts"][0]["content"] for message in result.input_messages]
    assert kept == ["question 47", "question 48", "question 49"]
    assert result.is_truncated


def test_answer_that_fills_the_limit_leaves_no_room_for_messages() -> None:
    result = captured([{"role": "user", "content": "hello"}], OutputContent("x" * 100), max_chars=PART_CHARS + 50)

    assert result.output_messages[0]["parts"] == [{"type": "text", "content": "x" * 50 + MARK}]
    assert result.input_messages == []
    assert result.is_truncated


MANY: dict[str, list[dict[str, Any]]] = {
    "empty messages": [{"role": "", "content": None}] * 10_000,
    "instructions": [{"role": "system", "content": ""}] * 10_000,
    "parts": [{"role": "user", "content": [{"type": "text", "text": ""}] * 10_000}],
    "tool calls": [{"role": "assistant", "tool_calls": [{"function": {"name": ""}}] * 10_000}],
    "binary parts": [{"role": "user", "content": [{"type": "input_audio"}] * 10_000}],
}


@pytest.mark.parametrize("messages", MANY.values(), ids=list(MANY))
def test_very_many_empty_pieces_stay_within_the_limit(messages: list[dict[str, Any]]) -> None:
    result = captured(messages, max_chars=3_200)

    assert len(json.dumps(result.body)) < 10_000
    assert result.is_truncated


def test_span_form_is_json_text_and_keeps_every_language() -> None:
    result = captured([{"role": "user", "content": "你好"}])

    text = result.span_attributes["gen_ai.input.messages"]
    assert isinstance(text, str)
    assert "你好" in text
    assert json.loads(text) == result.input_messages


def test_lone_surrogate_does_not_reach_the_exporter() -> None:
    result = captured([{"role": "user", "content": "a\ud800b"}])

    assert json.dumps(result.body, ensure_ascii=False).encode()
    assert result.input_messages[0]["parts"][0]["content"] == "a?b"


def test_contents_are_in_no_repr() -> None:
    record = record_of(
        [{"role": "user", "content": "quietly"}], OutputContent("quietly", "quietly", ({"x": "quietly"},))
    )

    assert "quietly" not in repr(record) + repr(record.output) + repr(CAPTURING.capture(record))
