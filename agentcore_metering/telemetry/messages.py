"""Messages of a call -> the parts and messages of the GenAI conventions, as plain JSON values: pure mapping, redacted and cut to size.

Every text goes through `Texts` on its way. Binary data is described, never kept. Whether contents are captured at all is said in
`content`. The model of the conventions is `semconv.CONTENT_SPEC`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from agentcore_metering.core.masking import mask
from agentcore_metering.core.payload import read
from agentcore_metering.core.types import OutputContent

Part = dict[str, Any]
Message = dict[str, Any]

TRUNCATION_MARK = "...[truncated]"
PART_CHARS = 32
"""What a part or message costs besides its texts, so that very many empty ones come to an end too."""
_MAX_DEPTH = 16
"""Deeper values in a tool's arguments become text: collectors refuse deep nesting."""
_MAX_INT = 2**63
_INSTRUCTION_ROLES = ("system", "developer")
_TOOL_ROLES = ("tool", "function")


class Texts:
    """Takes the texts of one call: the host's redaction, then masking of secrets, then the size limit of the whole call."""

    def __init__(self, redact: Callable[[str], str], secrets: Iterable[str], max_chars: int) -> None:
        self._redact = redact
        self._secrets = tuple(secrets)
        self._left_chars = max_chars
        self.is_truncated = False

    def has_room(self) -> bool:
        """Whether one more part or message may begin; it then counts. Where not, the call is noted as truncated."""
        self._left_chars -= PART_CHARS
        has_room = self._left_chars >= 0
        self.is_truncated = self.is_truncated or not has_room
        return has_room

    def take(self, text: Any) -> str:
        """`text` fit to leave; marked where it had to be cut."""
        # Masked before it is cut: half of a key would not be recognised.
        safe = _encodable(mask(self._redact(str(text)), self._secrets))
        left = max(0, self._left_chars)
        self._left_chars -= len(safe)
        if len(safe) <= left:
            return safe
        self.is_truncated = True
        return safe[:left] + TRUNCATION_MARK

    def take_json(self, text: Any) -> Any:
        """The JSON value in `text` where it is valid and whole, else `text` itself; fit to leave either way."""
        safe = self.take(text)
        try:
            return _plain(json.loads(safe))
        except (ValueError, RecursionError):
            return safe


def _encodable(text: str) -> str:
    """`text` without lone surrogates: one of them in a batch would make the exporter lose the whole batch."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(value: Any, depth: int = 0) -> Any:
    """`value` without what OTLP cannot carry: null, integers beyond 64 bits, infinities, deep nesting."""
    if isinstance(value, str):
        return _encodable(value)
    if depth >= _MAX_DEPTH and isinstance(value, (dict, list)):
        return json.dumps(value)
    if isinstance(value, dict):
        return {_encodable(key): _plain(item, depth + 1) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    is_huge = isinstance(value, int) and not -_MAX_INT <= value < _MAX_INT
    is_infinite = isinstance(value, float) and not math.isfinite(value)
    return json.dumps(value) if value is None or is_huge or is_infinite else value


def split_instructions(messages: Any) -> tuple[list[Any], list[Any]]:
    """The instructions that `messages` begin with, and the rest. Anything but a list gives none: reading an iterator would use it up."""
    if not isinstance(messages, (list, tuple)):
        return [], []
    instructions = list(takewhile(lambda message: read(message, "role") in _INSTRUCTION_ROLES, messages))
    return instructions, list(messages[len(instructions) :])


def instruction_parts(instructions: Iterable[Any], texts: Texts) -> list[Part]:
    """The parts of leading system messages."""
    return [
        part for message in instructions if texts.has_room() for part in _content_parts(read(message, "content"), texts)
    ]


def input_messages(messages: list[Any], texts: Texts) -> list[Message]:
    """As many of `messages`, from the newest back, as there is room for; in their own order."""
    kept: list[Message] = []
    for message in reversed(messages):
        if not texts.has_room():
            break
        role = texts.take(read(message, "role") or "user")
        parts = list(_message_parts(message, texts))
        if not parts and texts.is_truncated:
            break
        kept.append({"role": role, "parts": parts})
    return kept[::-1]


def output_parts(output: OutputContent, texts: Texts) -> list[Part]:
    """The parts of the answer: reasoning, text, tool calls."""
    said = (("reasoning", output.reasoning), ("text", output.text))
    parts = [{"type": kind, "content": texts.take(text)} for kind, text in said if text and texts.has_room()]
    return parts + list(_tool_calls(output.tool_calls, texts))


def _message_parts(message: Any, texts: Texts) -> Iterator[Part]:
    content = read(message, "content")
    if read(message, "role") in _TOOL_ROLES:
        yield _tool_response(message, content, texts)
        return
    reasoning = read(message, "reasoning_content", "reasoning")
    if isinstance(reasoning, str) and reasoning and texts.has_room():
        yield {"type": "reasoning", "content": texts.take(reasoning)}
    yield from _content_parts(content, texts)
    yield from _tool_calls(read(message, "tool_calls"), texts)


def _content_parts(content: Any, texts: Texts) -> Iterator[Part]:
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, (list, tuple)):
        return
    for part in parts:
        if not texts.has_room():
            return
        kind = str(read(part, "type") or "text")
        # The members of an unknown kind may be binary or secret: only that it was there is said.
        convert = _PARTS.get(kind)
        yield convert(part, texts) if convert is not None else {"type": texts.take(kind)}


def _text(part: Any, texts: Texts) -> Part:
    return {"type": "text", "content": texts.take(read(part, "text") or "")}


def _image(part: Any, texts: Texts) -> Part:
    image = read(part, "image_url")
    return _linked("image", image if isinstance(image, str) else read(image, "url"), texts)


def _audio(part: Any, texts: Texts) -> Part:
    audio = read(part, "input_audio")
    audio_format = read(audio, "format")
    return _blob("audio", f"audio/{audio_format}" if audio_format else "", str(read(audio, "data") or ""), texts)


def _file(part: Any, texts: Texts) -> Part:
    file = read(part, "file")
    file_id = read(file, "file_id")
    if file_id is not None:
        return {"type": "file", "modality": "document", "file_id": texts.take(file_id)}
    return _linked("document", read(file, "file_data"), texts)


_PARTS: dict[str, Callable[[Any, Texts], Part]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
}


def _linked(modality: str, value: Any, texts: Texts) -> Part:
    """A `uri` for an address; a `blob` for a data URL, and for whatever else has no scheme, which is bare base64."""
    url = str(value or "")
    if url[:5].lower() == "data:":
        head, _, inline = url[5:].partition(",")
        return _blob(modality, head.partition(";")[0], inline, texts)
    if "://" not in url:
        return _blob(modality, "", url, texts)
    return {"type": "uri", "modality": modality, "uri": texts.take(_without_query(url))}


def _without_query(url: str) -> str:
    """`url` without user and query: in signed addresses they are the key."""
    try:
        scheme, netloc, path, _, _ = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((scheme, netloc.rpartition("@")[2], path, "", ""))


def _blob(modality: str, mime_type: str, base64_text: str, texts: Texts) -> Part:
    """Binary data, described and not kept."""
    size_bytes = len(base64_text.rstrip("=")) * 3 // 4
    part = {"type": "blob", "modality": modality, "size_bytes": size_bytes}
    return part | ({"mime_type": texts.take(mime_type)} if mime_type else {})


def _tool_calls(calls: Any, texts: Texts) -> Iterator[Part]:
    if not isinstance(calls, (list, tuple)):
        return
    for call in calls:
        if not texts.has_room():
            return
        function = read(call, "function")
        part: Part = {"type": "tool_call", "name": texts.take(read(function, "name") or "")}
        if (call_id := read(call, "id")) is not None:
            part["id"] = texts.take(call_id)
        if (arguments := read(function, "arguments")) is not None:
            part["arguments"] = texts.take_json(arguments)
        yield part


def _tool_response(message: Any, content: Any, texts: Texts) -> Part:
    part: Part = {"type": "tool_call_response"}
    if (call_id := read(message, "tool_call_id")) is not None:
        part["id"] = texts.take(call_id)
    is_list = isinstance(content, (list, tuple))
    part["response"] = list(_content_parts(content, texts)) if is_list else texts.take(content or "")
    return part
