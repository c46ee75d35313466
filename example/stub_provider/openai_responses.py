"""OpenAI's Responses API, plain and streamed. Errors and usage words are those of `openai`.

Source: https://platform.openai.com/docs/api-reference/responses-streaming. The stream has no `[DONE]`; its token counts
stand in the last event alone, so `usage_early` cannot be obeyed and is refused.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Final

from example.stub_provider.answers import Prompt, split
from example.stub_provider.directives import DirectiveError
from example.stub_provider.openai import REQUEST_ID, cost_json, fail, service_tier, snapshot
from example.stub_provider.wire import CREATED, Endpoint, Event, JsonObject, Request, sse, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from example.stub_provider.answers import Answer


def _read(request: Request) -> Prompt:
    given = request.body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else [*(given or [])]
    users = [index for index, item in enumerate(items) if item.get("role") == "user"]
    last = users[-1] if users else -1
    wanted = (request.body.get("text") or {}).get("format") or {}
    texts = [text for item in items for text in texts_of(item.get("content"))]
    return Prompt(
        model=snapshot(request),
        last="\n".join(texts_of(items[last].get("content"))) if items else "",
        texts=(*texts_of(request.body.get("instructions")), *texts),
        has_tool_result=any(item.get("type") == "function_call_output" for item in items[last:]),
        wants_json=wanted.get("type", "text") != "text",
    )


def _reply(request: Request, answer: Answer) -> JsonObject:
    return _response(request, answer, _items(answer))


def _events(request: Request, answer: Answer) -> Iterator[Event]:
    if answer.usage_early:
        raise DirectiveError("usage_early: a Responses stream has no place for usage but its last event")
    opening = _response(request, answer, []) | {"status": "in_progress", "usage": None}
    final = _response(request, answer, _items(answer))
    numbers = count()
    steps = [("created", {"response": opening}), ("in_progress", {"response": opening})]
    for index, item in enumerate(final["output"]):
        steps += _STEPS[item["type"]](answer, item, index)
    steps.append((final["status"], {"response": final}))
    for name, payload in steps:
        kind = f"response.{name}"
        message = {"type": kind, "sequence_number": next(numbers)} | payload
        yield Event(sse(message, kind), is_delta=name.endswith(".delta"))


def _response(request: Request, answer: Answer, output: list[JsonObject]) -> JsonObject:
    is_short = answer.finish != "stop"
    reason = "max_output_tokens" if answer.finish == "length" else "content_filter"
    return {
        "id": f"resp_stub{answer.number:06d}",
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if is_short else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if is_short else None,
        "instructions": request.body.get("instructions"),
        "max_output_tokens": request.body.get("max_output_tokens"),
        "metadata": {},
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "service_tier": service_tier(request),
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": request.body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(answer) if answer.reports_usage else None,
    }


def _usage(answer: Answer) -> JsonObject:
    usage = answer.usage
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_tokens,
    } | cost_json(answer)


def _items(answer: Answer) -> list[JsonObject]:
    items: list[JsonObject] = []
    if answer.think:
        summary = [{"type": "summary_text", "text": answer.think}]
        items.append({"type": "reasoning", "id": f"rs_stub{answer.number:06d}", "summary": summary})
    if answer.text or not answer.tool:
        part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": f"msg_stub{answer.number:06d}", "role": "assistant"}
        items.append(message | {"status": "completed", "content": [part]})
    if answer.tool:
        call = {"type": "function_call", "id": f"fc_stub{answer.number:06d}", "status": "completed"}
        call |= {"call_id": f"call_stub{answer.number:06d}", "name": answer.tool, "arguments": answer.arguments}
        items.append(call)
    return items


_Steps = list[tuple[str, JsonObject]]


def _reasoning_steps(answer: Answer, item: JsonObject, index: int) -> _Steps:
    at = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    deltas = [("reasoning_summary_text.delta", at | {"delta": piece}) for piece in split(answer.think, 2)]
    return [
        ("output_item.added", {"output_index": index, "item": item | {"summary": []}}),
        ("reasoning_summary_part.added", at | {"part": {"type": "summary_text", "text": ""}}),
        *deltas,
        ("reasoning_summary_text.done", at | {"text": answer.think}),
        ("reasoning_summary_part.done", at | {"part": item["summary"][0]}),
        ("output_item.done", {"output_index": index, "item": item}),
    ]


def _message_steps(answer: Answer, item: JsonObject, index: int) -> _Steps:
    at = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = item["content"][0]
    pieces = split(answer.text, answer.chunks)
    return [
        ("output_item.added", {"output_index": index, "item": item | {"status": "in_progress", "content": []}}),
        ("content_part.added", at | {"part": part | {"text": ""}}),
        *[("output_text.delta", at | {"delta": piece, "logprobs": []}) for piece in pieces],
        ("output_text.done", at | {"text": answer.text, "logprobs": []}),
        ("content_part.done", at | {"part": part}),
        ("output_item.done", {"output_index": index, "item": item}),
    ]


def _call_steps(answer: Answer, item: JsonObject, index: int) -> _Steps:
    at = {"item_id": item["id"], "output_index": index}
    pieces = split(answer.arguments, answer.chunks)
    return [
        ("output_item.added", {"output_index": index, "item": item | {"status": "in_progress", "arguments": ""}}),
        *[("function_call_arguments.delta", at | {"delta": piece}) for piece in pieces],
        ("function_call_arguments.done", at | {"name": item["name"], "arguments": answer.arguments}),
        ("output_item.done", {"output_index": index, "item": item}),
    ]


_STEPS: Final = {"reasoning": _reasoning_steps, "message": _message_steps, "function_call": _call_steps}

ENDPOINT: Final = Endpoint(
    method="POST",
    path=re.compile(r"/responses$"),
    read=_read,
    reply=_reply,
    fail=fail,
    events=_events,
    request_id_header=REQUEST_ID,
)
