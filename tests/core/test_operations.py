"""How the answers of LiteLLM's functions are read."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from agentcore_metering.core.errors import EmptyResponse
from agentcore_metering.core.operations import OPERATIONS, completed_facts, read_response_object
from agentcore_metering.core.response_events import ResponseEvents
from agentcore_metering.core.types import NO_USAGE, ResponseFacts, Usage, UsageSource
from tests.fakes import ScriptedBackend, make_request, make_usage_payload

ZEROS = Usage(source=UsageSource.PROVIDER)
MESSAGE = {
    "type": "message",
    "content": [{"type": "output_text", "text": "Hel"}, {"type": "output_text", "text": "lo"}],
}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": '{"city":"Berlin"}'}
REASONING = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}


def make_object(**changes: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 5}
    return {"id": "resp_1", "model": "gpt", "status": "completed", "output": [MESSAGE], "usage": usage, **changes}


@pytest.mark.parametrize(
    ("function", "answer", "arguments", "units"),
    [
        ("image_generation", {"data": [{}, {}]}, {}, {"images": Decimal(2)}),
        ("image_generation", {"data": None}, {}, {}),
        ("transcription", {"usage": {"type": "duration", "seconds": 2.5}}, {}, {"seconds": Decimal("2.5")}),
        ("transcription", {"duration": 3.0}, {}, {"seconds": Decimal("3.0")}),
        ("transcription", {"text": "hi"}, {}, {}),
        ("speech", object(), {"input": "hello"}, {"characters": Decimal(5)}),
        ("rerank", {"meta": {"billed_units": {"search_units": 2}}}, {}, {"queries": Decimal(2)}),
        ("rerank", {"meta": {"billed_units": {"search_units": "many"}}}, {}, {}),
        ("embedding", {"data": []}, {}, {}),
    ],
)
def test_units(function: str, answer: Any, arguments: dict[str, Any], units: dict[str, Decimal]) -> None:
    assert OPERATIONS[function].facts(answer, arguments).units == units


def test_a_reranker_that_counts_tokens_is_metered_by_them() -> None:
    answer = {
        "id": "r",
        "meta": {"billed_units": {"total_tokens": 9}, "tokens": {"input_tokens": 9, "output_tokens": 0}},
    }

    assert OPERATIONS["rerank"].facts(answer, {}).usage.input_tokens == 9


def test_a_response_object_is_read_as_a_chat_would_be() -> None:
    reply = read_response_object(make_object(output=[REASONING, MESSAGE, CALL]))

    assert (reply.text, reply.reasoning, reply.finish_reason) == ("Hello", "hm", "tool_calls")
    assert reply.tool_calls == (
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Berlin"}'}},
    )
    assert OPERATIONS["responses"].facts(make_object(), {}).usage.total_tokens == 15


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "in_progress"}, None),
    ],
)
def test_a_responses_status_becomes_a_finish_reason(changes: dict[str, Any], reason: str | None) -> None:
    assert OPERATIONS["responses"].facts(make_object(**changes), {}).finish_reason == reason


@pytest.mark.parametrize("function", OPERATIONS)
def test_no_answer_at_all_is_an_empty_response(function: str) -> None:
    with pytest.raises(EmptyResponse):
        OPERATIONS[function].reply(None)


def test_a_response_that_failed_is_no_answer() -> None:
    with pytest.raises(EmptyResponse, match="server_error"):
        read_response_object(make_object(status="failed", error={"code": "server_error"}))


@pytest.mark.parametrize(
    ("function", "arguments", "usage"),
    [
        ("embedding", {"input": ["one two", "three"]}, Usage(3, 0, source=UsageSource.ESTIMATED)),
        ("embedding", {"input": [[1, 2], [3]]}, Usage(3, 0, source=UsageSource.ESTIMATED)),
        ("text_completion", {"prompt": "one two"}, Usage(2, 1, source=UsageSource.ESTIMATED)),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_text", "text": "a b c"}]}]},
         Usage(3, 1, source=UsageSource.ESTIMATED)),
        ("image_generation", {"prompt": "one two"}, NO_USAGE),
        ("rerank", {"query": "q", "documents": ["a"]}, NO_USAGE),
    ],
)  # fmt: skip
def test_usage_that_was_not_told_is_estimated_where_it_is_billed(
    function: str, arguments: dict[str, Any], usage: Usage
) -> None:
    request = make_request(function=function, arguments=arguments)

    facts = completed_facts(ResponseFacts(usage=ZEROS), ScriptedBackend(), request, "hi" if usage.output_tokens else "")

    assert facts.usage == usage


@pytest.mark.parametrize("function", ["embedding", "image_generation", "transcription"])
def test_usage_that_was_told_stays(function: str) -> None:
    facts = OPERATIONS[function].facts(SimpleNamespace(usage=make_usage_payload(10, 0)), {})

    assert completed_facts(facts, ScriptedBackend(), make_request(function=function), "") == facts


def test_response_events_become_deltas_and_facts() -> None:
    events = ResponseEvents()
    stream = [
        {"type": "response.created", "response": make_object(status="in_progress", usage=None)},
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {"type": "response.output_text.delta", "delta": " a "},
        {"type": "response.output_text.delta", "delta": ""},
        {"type": "response.output_item.added", "output_index": 2, "item": {**CALL, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"ci'},
        {"type": "response.output_item.done", "output_index": 2, "item": CALL},
        {"type": "response.completed", "response": make_object(output=[MESSAGE, CALL])},
    ]

    deltas = [delta for event in stream for delta in events.feed(event)]

    assert deltas == [("reasoning", "hm"), ("content", " a ")]
    assert events.tool_calls[0]["function"] == {"name": "weather", "arguments": '{"city":"Berlin"}'}
    assert events.finish_reason == "tool_calls"
    assert (events.facts.response_id, events.facts.usage.total_tokens) == ("resp_1", 15)


def test_response_events_trust_the_providers_last_event_alone() -> None:
    events = ResponseEvents()
    events.feed(
        {
            "type": "response.completed",
            "response": make_object(usage={"input_tokens": 9, "output_tokens": 9, "cost": 1}),
        }
    )

    events.trust_only([make_object(usage=None)])

    assert (events.facts.usage, events.facts.provider_cost) == (NO_USAGE, None)
