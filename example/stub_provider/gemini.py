"""Google's generateContent and streamGenerateContent (`alt=sse`) of the Gemini API.

`candidatesTokenCount` leaves out the thoughts, so `out - reasoning` stands there. As Google does, each chunk of a stream
carries the usage known so far, and a function call comes whole in one part. Source:
https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from example.stub_provider.answers import Prompt
from example.stub_provider.wire import Endpoint, Event, Failure, JsonObject, Request, sse, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from example.stub_provider.answers import Answer

_PATH: Final = re.compile(r"/models/(?P<model>[^/:]+):(?P<verb>generateContent|streamGenerateContent)$")
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_FINISH: Final = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


def _fail(failure: Failure) -> JsonObject:
    status = _STATUSES.get(failure.status, "UNKNOWN")
    error: JsonObject = {"code": failure.status, "message": failure.message, "status": status}
    if failure.retry_after is not None:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{failure.retry_after}s"}
        error["details"] = [retry]
    return {"error": error}


def _read(request: Request) -> Prompt:
    contents = [content for content in request.body.get("contents", []) if isinstance(content, dict)]
    spoken = [c for c in contents if c.get("role", "user") == "user" and texts_of(c.get("parts"))]
    system = request.body.get("systemInstruction") or request.body.get("system_instruction") or {}
    config = request.body.get("generationConfig") or {}
    mime_type = config.get("responseMimeType") or config.get("response_mime_type")
    match = _PATH.search(request.path)
    return Prompt(
        model=match["model"] if match else "unknown",
        last="\n".join(texts_of(spoken[-1].get("parts"))) if spoken else "",
        texts=(*texts_of(system.get("parts")), *(text for c in contents for text in texts_of(c.get("parts")))),
        has_tool_result=bool(contents) and _has_tool_result(contents[-1]),
        wants_json=mime_type == "application/json",
    )


def _has_tool_result(content: JsonObject) -> bool:
    names = ("functionResponse", "function_response")
    return any(name in part for part in content.get("parts", []) if isinstance(part, dict) for name in names)


def _is_stream(request: Request) -> bool:
    return request.path.endswith(":streamGenerateContent")


def _reply(request: Request, answer: Answer) -> JsonObject:
    parts: list[JsonObject] = [{"text": answer.think, "thought": True}] if answer.think else []
    parts += [{"text": answer.text}] if answer.text or not answer.tool else []
    parts += [_call(answer)] if answer.tool else []
    return _chunk(answer, parts, _FINISH[answer.finish]) | _usage(answer, is_last=True)


def _events(request: Request, answer: Answer) -> Iterator[Event]:
    parts = _stream_parts(answer)
    early = max(0, len(parts) - 2) if answer.usage_early else None
    for index, part in enumerate(parts):
        is_early = index == early
        usage = _usage(answer, is_last=is_early) if early is None or is_early else {}
        yield Event(sse(_chunk(answer, [part], None) | usage), is_delta=True)
    final = _chunk(answer, [{"text": ""}], _FINISH[answer.finish])
    yield Event(sse(final | (_usage(answer, is_last=True) if early is None else {})))


def _stream_parts(answer: Answer) -> list[JsonObject]:
    spoken = [delta for delta in answer.deltas if delta.kind != "tool"]
    parts = [{"text": delta.piece} | ({"thought": True} if delta.kind == "think" else {}) for delta in spoken]
    return [*parts, _call(answer)] if answer.tool else [*parts]


def _call(answer: Answer) -> JsonObject:
    return {"functionCall": {"name": answer.tool, "args": json.loads(answer.arguments)}}


def _chunk(answer: Answer, parts: list[JsonObject], finish: str | None) -> JsonObject:
    candidate: JsonObject = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": answer.model, "responseId": f"stub{answer.number:06d}"}


def _usage(answer: Answer, *, is_last: bool) -> JsonObject:
    """The usage entry to merge into a chunk: all counts when `is_last`, else the prompt's alone."""
    if not answer.reports_usage:
        return {}
    usage = answer.usage
    told: JsonObject = {"promptTokenCount": usage.input_tokens, "totalTokenCount": usage.input_tokens}
    told["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": usage.input_tokens}]
    if usage.cached:
        told["cachedContentTokenCount"] = usage.cached
    if is_last:
        told["candidatesTokenCount"] = usage.output_tokens - usage.reasoning
        told["totalTokenCount"] = usage.total_tokens
    if is_last and usage.reasoning:
        told["thoughtsTokenCount"] = usage.reasoning
    return {"usageMetadata": told}


ENDPOINT: Final = Endpoint(
    method="POST",
    path=_PATH,
    read=_read,
    reply=_reply,
    fail=_fail,
    events=_events,
    is_stream=_is_stream,
    request_id_header="x-request-id",
    reports_cost=False,
)
