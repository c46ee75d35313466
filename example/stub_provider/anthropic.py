"""Anthropic's Messages API, plain and streamed.

Its `input_tokens` leave out what was read from or written to the cache, so `in - cached - cache_write` stands there; the
sum of the three is what LiteLLM calls prompt tokens. Sources: https://docs.claude.com/en/api/messages and
https://docs.claude.com/en/api/errors.
"""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import TYPE_CHECKING, Final

from example.stub_provider.answers import Prompt
from example.stub_provider.wire import Endpoint, Event, Failure, JsonObject, Request, sse, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from example.stub_provider.answers import Answer, Delta

_SNAPSHOTS: Final = {
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
}
_ERRORS: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_FINISH: Final = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_SIGNATURE: Final = "c3R1Yi1zaWduYXR1cmU="


def _fail(failure: Failure) -> JsonObject:
    kind = _ERRORS.get(failure.status, "invalid_request_error" if failure.status < 500 else "api_error")
    error = {"type": kind, "message": failure.message}
    return {"type": "error", "error": error, "request_id": f"req_stub{failure.number:06d}"}


def _read(request: Request) -> Prompt:
    body = request.body
    messages = [message for message in body.get("messages", []) if isinstance(message, dict)]
    # A tool's result is a user message too, but one without a text of its own.
    spoken = [m for m in messages if m.get("role") == "user" and texts_of(m.get("content"))]
    model = str(body.get("model", "unknown"))
    choice = body.get("tool_choice") or {}
    return Prompt(
        model=_SNAPSHOTS.get(model, model),
        last="\n".join(texts_of(spoken[-1].get("content"))) if spoken else "",
        texts=(*texts_of(body.get("system")), *(text for m in messages for text in texts_of(m.get("content")))),
        has_tool_result=bool(messages) and _has_tool_result(messages[-1].get("content")),
        wants_json=_wants_json(body),
        forced_tool=choice.get("name") if choice.get("type") == "tool" else None,
    )


def _has_tool_result(content: object) -> bool:
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)


def _wants_json(body: JsonObject) -> bool:
    # The second is how LiteLLM asks a model for JSON that has no output format of its own.
    structured = body.get("output_format") or (body.get("output_config") or {}).get("format")
    return bool(structured) or (body.get("tool_choice") or {}).get("name") == "json_tool_call"


def _reply(request: Request, answer: Answer) -> JsonObject:
    blocks = [_block(kind, "".join(delta.piece for delta in deltas), answer) for kind, deltas in _groups(answer)]
    usage = {"usage": _input_usage(answer) | _output_usage(answer)} if answer.reports_usage else {}
    return _message(answer) | {"content": blocks, "stop_reason": _stop_reason(answer)} | usage


def _events(request: Request, answer: Answer) -> Iterator[Event]:
    start = _message(answer)
    if answer.reports_usage:
        # A stream's first event always tells the input; the output it cannot know yet, unless it is told early.
        start["usage"] = _input_usage(answer) | (_output_usage(answer) if answer.usage_early else {"output_tokens": 1})
    yield _event("message_start", {"message": start})
    yield _event("ping", {})
    for index, (kind, group) in enumerate(_groups(answer)):
        yield _event("content_block_start", {"index": index, "content_block": _block(kind, "", answer)})
        for delta in group:
            yield _event("content_block_delta", {"index": index, "delta": _delta(delta)}, is_delta=True)
        if kind == "think":
            signature = {"type": "signature_delta", "signature": _SIGNATURE}
            yield _event("content_block_delta", {"index": index, "delta": signature})
        yield _event("content_block_stop", {"index": index})
    tells_usage = answer.reports_usage and not answer.usage_early
    yield _event("message_delta", _closing(_stop_reason(answer), _output_usage(answer) if tells_usage else None))
    yield _event("message_stop", {})


def _event(kind: str, payload: JsonObject, *, is_delta: bool = False) -> Event:
    return Event(sse({"type": kind} | payload, kind), is_delta)


def _groups(answer: Answer) -> list[tuple[str, list[Delta]]]:
    """Consecutive deltas of one kind, which make one content block."""
    return [(kind, list(deltas)) for kind, deltas in groupby(answer.deltas, key=lambda delta: delta.kind)]


def _block(kind: str, content: str, answer: Answer) -> JsonObject:
    if kind == "think":
        return {"type": "thinking", "thinking": content, "signature": _SIGNATURE if content else ""}
    if kind == "tool":
        block = {"type": "tool_use", "id": f"toolu_stub{answer.number:06d}", "name": answer.tool}
        return block | {"input": json.loads(content) if content else {}}
    return {"type": "text", "text": content}


def _delta(delta: Delta) -> JsonObject:
    if delta.kind == "think":
        return {"type": "thinking_delta", "thinking": delta.piece}
    if delta.kind == "tool":
        return {"type": "input_json_delta", "partial_json": delta.piece}
    return {"type": "text_delta", "text": delta.piece}


def _closing(stop_reason: str, usage: JsonObject | None) -> JsonObject:
    payload = {"delta": {"stop_reason": stop_reason, "stop_sequence": None}}
    return payload | ({"usage": usage} if usage is not None else {})


def _message(answer: Answer) -> JsonObject:
    return {
        "id": f"msg_stub{answer.number:06d}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _input_usage(answer: Answer) -> JsonObject:
    usage = answer.usage
    short = usage.cache_write - usage.cache_write_1h
    return {
        "input_tokens": usage.input_tokens - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": usage.cache_write_1h},
        "service_tier": "standard",
    }


def _output_usage(answer: Answer) -> JsonObject:
    told: JsonObject = {"output_tokens": answer.usage.output_tokens}
    if answer.usage.reasoning:
        told["output_tokens_details"] = {"thinking_tokens": answer.usage.reasoning}
    return told


def _stop_reason(answer: Answer) -> str:
    return "tool_use" if answer.tool and answer.finish == "stop" else _FINISH[answer.finish]


ENDPOINT: Final = Endpoint(
    method="POST",
    path=re.compile(r"/v1/messages$"),
    read=_read,
    reply=_reply,
    fail=_fail,
    events=_events,
    request_id_header="request-id",
    reports_cost=False,
)
