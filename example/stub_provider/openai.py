"""OpenAI's chat completions, and the names, errors and token counts that its other operations share.

Adds what compatible gateways do: `reasoning_content` (DeepSeek) and `usage.cost` (OpenRouter). The Responses API and
the smaller operations have modules of their own. Source: https://platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from example.stub_provider.answers import Prompt
from example.stub_provider.wire import CREATED, Endpoint, Event, Failure, JsonObject, Request, sse, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from example.stub_provider.answers import Answer, Delta

SNAPSHOTS: Final = {
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
}
REQUEST_ID: Final = "x-request-id"
_FINGERPRINT: Final = "fp_0000stub"
# status -> (type, code)
_ERRORS: Final = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("request_forbidden", "insufficient_permissions"),
    404: ("invalid_request_error", "model_not_found"),
    408: ("timeout", "request_timeout"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("service_unavailable_error", "overloaded"),
}


def fail(failure: Failure) -> JsonObject:
    """OpenAI's error body, which nearly every compatible gateway copies."""
    kind, code = _ERRORS.get(failure.status, ("server_error", None))
    return {"error": {"message": failure.message, "type": kind, "param": None, "code": code}}


def usage_json(answer: Answer) -> JsonObject:
    """The `usage` object of chat, with `cost` when the answer has one."""
    usage = answer.usage
    heard = {"cached_tokens": usage.cached, "audio_tokens": 0}
    said = {"reasoning_tokens": usage.reasoning, "audio_tokens": 0}
    said |= {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": heard | ({"cache_write_tokens": usage.cache_write} if usage.cache_write else {}),
        "completion_tokens_details": said,
    } | cost_json(answer)


def cost_json(answer: Answer) -> JsonObject:
    """The `cost` entry of a usage object; empty when the provider reports none."""
    return {} if answer.cost is None else {"cost": float(answer.cost)}


def service_tier(request: Request) -> str:
    """The tier that served the request: the one asked for, `default` when that was left to the provider."""
    asked = request.body.get("service_tier")
    return asked if isinstance(asked, str) and asked != "auto" else "default"


def _read_chat(request: Request) -> Prompt:
    messages = [message for message in request.body.get("messages", []) if isinstance(message, dict)]
    users = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    last = users[-1] if users else -1
    response_format = request.body.get("response_format")
    return Prompt(
        model=snapshot(request),
        last="\n".join(texts_of(messages[last].get("content"))) if messages else "",
        texts=tuple(text for message in messages for text in texts_of(message.get("content"))),
        has_tool_result=any(message.get("role") == "tool" for message in messages[last:]),
        wants_json=isinstance(response_format, dict) and response_format.get("type") != "text",
        forced_tool=_forced_tool(request.body.get("tool_choice")),
    )


def _forced_tool(choice: object) -> str | None:
    function = choice.get("function") if isinstance(choice, dict) else None
    return str(function["name"]) if isinstance(function, dict) and "name" in function else None


def snapshot(request: Request) -> str:
    """The dated name that the provider answers with; the name asked for when it has none."""
    model = str(request.body.get("model", "unknown"))
    return SNAPSHOTS.get(model, model)


def _reply_chat(request: Request, answer: Answer) -> JsonObject:
    message: JsonObject = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
    if answer.think:
        message["reasoning_content"] = answer.think
    if answer.tool:
        message["content"] = answer.text or None
        message["tool_calls"] = [
            {"id": _call_id(answer), "type": "function", "function": _function(answer.tool, answer.arguments)}
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}
    payload = _envelope(request, answer, "chat.completion") | {"choices": [choice]}
    return payload | ({"usage": usage_json(answer)} if answer.reports_usage else {})


def _chat_events(request: Request, answer: Answer) -> Iterator[Event]:
    envelope = _envelope(request, answer, "chat.completion.chunk")
    steps: list[tuple[JsonObject, str | None, bool]] = [
        ({"role": "assistant", "content": "", "refusal": None}, None, False),
        *_chat_steps(answer),
        ({}, _finish(answer), False),
    ]
    early = _early_index([is_delta for *_, is_delta in steps]) if answer.usage_early and answer.reports_usage else None
    tells_usage = includes_usage(request) and answer.reports_usage
    for index, (delta, finish, is_delta) in enumerate(steps):
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = envelope | {"choices": [choice]} | ({"usage": None} if tells_usage else {})
        yield Event(sse(chunk | ({"usage": usage_json(answer)} if index == early else {})), is_delta)
    if tells_usage and early is None:
        yield Event(sse(envelope | {"choices": [], "usage": usage_json(answer)}))
    yield Event(b"data: [DONE]\n\n")


def _chat_steps(answer: Answer) -> Iterator[tuple[JsonObject, None, bool]]:
    has_named_tool = False
    for delta in answer.deltas:
        if delta.kind == "tool" and not has_named_tool:
            has_named_tool = True
            function = _function(answer.tool or "", "")
            call = {"index": 0, "id": _call_id(answer), "type": "function", "function": function}
            yield {"tool_calls": [call]}, None, False
        yield _chat_delta(delta), None, True


def _chat_delta(delta: Delta) -> JsonObject:
    if delta.kind == "tool":
        return {"tool_calls": [{"index": 0, "function": {"arguments": delta.piece}}]}
    return {"reasoning_content" if delta.kind == "think" else "content": delta.piece}


def _early_index(are_deltas: list[bool]) -> int:
    """Index of the step before the last delta, which is where some gateways already report usage."""
    last = max((index for index, is_delta in enumerate(are_deltas) if is_delta), default=1)
    return max(0, last - 1)


def includes_usage(request: Request) -> bool:
    """Whether a stream shall end with its token counts."""
    # OpenRouter's clients ask with `usage: {include: true}` instead.
    options = request.body.get("stream_options") or {}
    return bool(options.get("include_usage")) or bool((request.body.get("usage") or {}).get("include"))


def _envelope(request: Request, answer: Answer, kind: str) -> JsonObject:
    return {
        "id": f"chatcmpl-stub{answer.number:06d}",
        "object": kind,
        "created": CREATED,
        "model": answer.model,
        "service_tier": service_tier(request),
        "system_fingerprint": _FINGERPRINT,
    }


def _call_id(answer: Answer) -> str:
    return f"call_stub{answer.number:06d}"


def _function(name: str, arguments: str) -> JsonObject:
    return {"name": name, "arguments": arguments}


def _finish(answer: Answer) -> str:
    return "tool_calls" if answer.tool and answer.finish == "stop" else answer.finish


ENDPOINT: Final = Endpoint(
    method="POST",
    path=re.compile(r"/chat/completions$"),
    read=_read_chat,
    reply=_reply_chat,
    fail=fail,
    events=_chat_events,
    tells_usage=includes_usage,
    request_id_header=REQUEST_ID,
)
