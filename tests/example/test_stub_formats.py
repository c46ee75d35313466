"""The stub speaks each provider's wire format."""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

from example.stub_provider import StubProvider, directive
from tests.example.stub_client import post, send

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    with StubProvider() as running:
        yield running


def test_chat_plain_reports_what_the_directive_says(stub: StubProvider) -> None:
    text = directive(in_=12, out=30, cached=4, reasoning=3, cost="0.0021", text="Hello", think="Hm")

    answer = send(stub, "openai", text).json

    assert answer["model"] == "gpt-4o-mini-2024-07-18"
    assert answer["service_tier"] == "default"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["choices"][0]["message"]["reasoning_content"] == "Hm"
    assert answer["usage"]["total_tokens"] == 42  # 12 + 30
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3
    assert answer["usage"]["cost"] == 0.0021


def test_chat_stream_ends_with_usage_and_done(stub: StubProvider) -> None:
    reply = send(stub, "openai", directive(text="Hello", chunks=5), stream=True)
    chunks = reply.events

    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-1]]
    assert [delta.get("content") for delta in deltas] == ["", "H", "e", "l", "l", "o", None]
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 1
    assert reply.body.endswith(b"data: [DONE]\n\n")


def test_chat_stream_not_asked_for_usage_tells_none(stub: StubProvider) -> None:
    body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "hi"}]}

    chunks = post(stub, "/chat/completions", body).events

    assert not any("usage" in chunk for chunk in chunks)
    assert stub.requests[0].usage is None


def test_chat_stream_early_usage_comes_before_the_last_delta(stub: StubProvider) -> None:
    chunks = send(stub, "openai", directive(usage_early=1, text="abcd", chunks=4), stream=True).events

    # role, a, b, c, d, finish: usage rides on "c"
    assert [bool(chunk["usage"]) for chunk in chunks] == [False, False, False, True, False, False]


def test_chat_tool_stream_names_the_tool_before_its_arguments(stub: StubProvider) -> None:
    chunks = send(stub, "openai", directive(tool="get_weather"), stream=True).events

    calls = [c["choices"][0]["delta"]["tool_calls"][0] for c in chunks[1:-2]]
    assert calls[0]["id"] == "call_stub000001"
    assert [call["function"].get("name") for call in calls] == ["get_weather", None, None, None, None]
    assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"city": "Berlin"}
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_chat_tool_that_was_answered_is_not_called_again(stub: StubProvider) -> None:
    asked = {"role": "user", "content": directive(tool="get_weather", text="It is warm.")}
    called = {"role": "assistant", "content": "one moment"}
    messages = [asked, called, {"role": "tool", "tool_call_id": "call_1", "content": "25 C"}]

    answer = post(stub, "/v1/chat/completions", {"model": "gpt-4o", "messages": messages}).json

    assert answer["choices"][0]["message"]["content"] == "It is warm."


@pytest.mark.parametrize(
    ("options", "content"),
    [({}, '{"answer": "You said:"}'), ({"bad_json": 1}, '{"a": '), ({"empty": 1}, ""), ({"text": "[]"}, "[]")],
    ids=["default", "bad_json", "empty", "text"],
)
def test_chat_in_json_mode_answers(stub: StubProvider, options: dict[str, Any], content: str) -> None:
    message = {"role": "user", "content": [{"type": "text", "text": directive(**options)}]}
    body = {"model": "gpt-4o", "messages": [message], "response_format": {"type": "json_object"}}

    assert post(stub, "/chat/completions", body).json["choices"][0]["message"]["content"] == content


def test_embeddings_in_base64_are_the_same_floats(stub: StubProvider) -> None:
    body = {"model": "text-embedding-3-small", "input": ["one two", "three"], "dimensions": 4}

    plain = post(stub, "/v1/embeddings", body).json
    packed = post(stub, "/v1/embeddings", body | {"encoding_format": "base64"}).json

    assert plain["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    unpacked = [list(struct.unpack("<4f", base64.b64decode(row["embedding"]))) for row in packed["data"]]
    assert unpacked == [row["embedding"] for row in plain["data"]]


def test_responses_stream_numbers_its_events_and_ends_with_usage(stub: StubProvider) -> None:
    text = directive(in_=5, out=6, text="Hello", think="Hm", chunks=2)

    answer = post(stub, "/v1/responses", {"model": "gpt-4o", "input": text, "stream": True}).events

    assert [event["sequence_number"] for event in answer] == list(range(len(answer)))
    deltas = [event["delta"] for event in answer if event["type"] == "response.output_text.delta"]
    assert deltas == ["He", "llo"]
    assert answer[-1]["type"] == "response.completed"
    assert answer[-1]["response"]["usage"]["total_tokens"] == 11  # 5 + 6


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/completions", "text_completion"), ("/v1/responses", "response")], ids=str
)
def test_text_operation_plain_reports_usage(stub: StubProvider, path: str, kind: str) -> None:
    answer = post(stub, path, {"model": "gpt-4o", "prompt": "one two", "input": "one two"}).json

    assert answer["object"] == kind
    assert answer["usage"]["total_tokens"] == 6  # "one two" and "You said: one two"


def test_images_answer_as_many_as_asked(stub: StubProvider) -> None:
    answer = post(stub, "/v1/images/generations", {"model": "gpt-image-1", "prompt": "a cat", "n": 2}).json

    assert [base64.b64decode(image["b64_json"])[1:4] for image in answer["data"]] == [b"PNG", b"PNG"]


def test_messages_plain_counts_the_cache_apart_from_the_input(stub: StubProvider) -> None:
    text = directive(in_=100, out=30, cached=40, cache_write=20, cache_write_1h=5, reasoning=7, think="Hm")

    answer = send(stub, "anthropic", text).json

    assert [block["type"] for block in answer["content"]] == ["thinking", "text"]
    assert answer["usage"]["input_tokens"] == 40  # 100 - 40 - 20
    assert answer["usage"]["cache_read_input_tokens"] == 40
    assert answer["usage"]["cache_creation_input_tokens"] == 20
    parts = {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 5}
    assert answer["usage"]["cache_creation"] == parts
    assert answer["usage"]["output_tokens"] == 30


def test_messages_stream_sends_the_events_in_order(stub: StubProvider) -> None:
    answer = send(stub, "anthropic", directive(text="Hello", chunks=2, in_=9, out=8), stream=True).events

    block = ["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"]
    kinds = [event["type"] for event in answer]
    assert kinds == ["message_start", "ping", *block, "message_delta", "message_stop"]
    assert answer[0]["message"]["usage"]["input_tokens"] == 9
    assert answer[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 8},
    }


def test_messages_tool_stream_sends_its_input_in_fragments(stub: StubProvider) -> None:
    answer = send(stub, "anthropic", directive(tool="get_weather"), stream=True).events

    fragments = [event["delta"]["partial_json"] for event in answer if event["type"] == "content_block_delta"]
    assert answer[2]["content_block"]["name"] == "get_weather"
    assert json.loads("".join(fragments)) == {"city": "Berlin"}
    assert answer[-2]["delta"]["stop_reason"] == "tool_use"


def test_generate_plain_counts_the_thoughts_apart_from_the_candidates(stub: StubProvider) -> None:
    answer = send(stub, "gemini", directive(in_=100, out=30, cached=40, reasoning=7, think="Hm", text="Hi")).json

    usage = answer["usageMetadata"]
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "Hm", "thought": True}, {"text": "Hi"}]
    assert (usage["promptTokenCount"], usage["cachedContentTokenCount"]) == (100, 40)
    assert (usage["candidatesTokenCount"], usage["thoughtsTokenCount"]) == (23, 7)  # 30 - 7
    assert usage["totalTokenCount"] == 130


def test_generate_stream_tells_the_whole_usage_in_its_last_chunk_alone(stub: StubProvider) -> None:
    chunks = send(stub, "gemini", directive(text="Hello", chunks=2, in_=9, out=8), stream=True).events

    assert [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in chunks] == ["He", "llo", ""]
    assert [chunk["usageMetadata"]["totalTokenCount"] for chunk in chunks] == [9, 9, 17]  # 9 + 8
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


def test_generate_stream_tool_call_comes_whole(stub: StubProvider) -> None:
    chunks = send(stub, "gemini", directive(tool="get_weather"), stream=True).events

    call = {"name": "get_weather", "args": {"city": "Berlin"}}
    assert chunks[0]["candidates"][0]["content"]["parts"] == [{"functionCall": call}]
