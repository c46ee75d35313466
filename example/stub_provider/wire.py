"""The shapes that the provider modules share: a request, an endpoint and a server-sent event."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping

    from example.stub_provider.answers import Answer, Prompt

JsonObject: TypeAlias = dict[str, Any]

# Every answer is made at this moment, so that the same request gives the same bytes.
CREATED: Final = 1_760_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are lower-case; `body` is {} for GET."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: JsonObject

    @property
    def api_key(self) -> str | None:
        """The key the client sent, whichever header its provider wants it in."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return bearer or self.headers.get("x-api-key") or self.headers.get("x-goog-api-key")


@dataclass(frozen=True, slots=True)
class Event:
    """Bytes of one server-sent event. `is_delta`: it carries content, so `break_after` counts it."""

    data: bytes
    is_delta: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """An HTTP error to be told in the provider's own format. `retry_after` is the header's text, or None."""

    status: int
    message: str
    number: int
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One operation of one provider.

    `events` is None for an operation that cannot stream. `tells_usage(request)`: a complete stream ends with the token
    counts. `is_billed`: it uses tokens at all; `has_output`: output tokens too. `reports_cost`: its usage has a place
    for what the call cost. `media_type(request)`: of a plain answer, "" for JSON.
    """

    method: str
    path: re.Pattern[str]
    read: Callable[[Request], Prompt]
    reply: Callable[[Request, Answer], JsonObject | bytes]
    fail: Callable[[Failure], JsonObject]
    request_id_header: str
    events: Callable[[Request, Answer], Iterator[Event]] | None = None
    is_stream: Callable[[Request], bool] = lambda request: request.body.get("stream") is True
    tells_usage: Callable[[Request], bool] = lambda _: True
    is_billed: bool = True
    has_output: bool = True
    reports_cost: bool = True
    media_type: Callable[[Request], str] = lambda _: ""


def dump(payload: object) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def sse(payload: object, event: str | None = None) -> bytes:
    """One server-sent event; see https://html.spec.whatwg.org/multipage/server-sent-events.html."""
    return (f"event: {event}\n".encode() if event else b"") + b"data: " + dump(payload) + b"\n\n"


def texts_of(content: object) -> list[str]:
    """Every text inside a message's content, which is a string or a list of strings and typed parts."""
    if isinstance(content, str):
        return [content]
    if isinstance(content, list):
        return [text for part in content for text in texts_of(part["text"] if _has_text(part) else part)]
    return []


def _has_text(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)
