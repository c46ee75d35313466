"""Whether the contents of calls are captured, which is off unless asked for, and what of one call is: `ContentPolicy.capture`.

How messages become the conventions' JSON is said in `messages`; where it goes, in `spans` and `events`.
"""

from __future__ import annotations

import functools
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from agentcore_metering.core.payload import read, texts_in
from agentcore_metering.core.types import CallRecord, Operation, Status
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.attributes import AttributeMap
from agentcore_metering.telemetry.messages import (
    Message,
    Part,
    Texts,
    input_messages,
    instruction_parts,
    output_parts,
    split_instructions,
)

logger = logging.getLogger(__name__)

DEFAULT_MAX_CHARS = 32_768


class ContentMode(StrEnum):
    """Where contents go; the values of `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`."""

    NO_CONTENT = "NO_CONTENT"
    SPAN_ONLY = "SPAN_ONLY"
    EVENT_ONLY = "EVENT_ONLY"
    SPAN_AND_EVENT = "SPAN_AND_EVENT"

    @property
    def is_on_span(self) -> bool:
        """Whether spans carry contents."""
        return self in (ContentMode.SPAN_ONLY, ContentMode.SPAN_AND_EVENT)

    @property
    def is_on_event(self) -> bool:
        """Whether an event with the contents is emitted."""
        return self in (ContentMode.EVENT_ONLY, ContentMode.SPAN_AND_EVENT)


_MODES = {
    "": ContentMode.NO_CONTENT,
    "FALSE": ContentMode.NO_CONTENT,
    "TRUE": ContentMode.SPAN_AND_EVENT,
    **{mode.value: mode for mode in ContentMode},
}


def mode_from_environment() -> ContentMode:
    """The mode that the standard variable names, in any case; `true` is both. Unknown: nothing is captured, and a warning."""
    return _parsed_mode(os.environ.get(semconv.CAPTURE_CONTENT_ENV, ""))


@functools.cache
def _parsed_mode(value: str) -> ContentMode:
    # Cached so that a wrong value is told once.
    mode = _MODES.get(value.strip().upper())
    if mode is None:
        allowed = ", ".join(ContentMode)
        logger.warning(
            "%s is %r, so no message contents are captured. Use one of: %s", semconv.CAPTURE_CONTENT_ENV, value, allowed
        )
    return mode or ContentMode.NO_CONTENT


def _unchanged(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class ContentPolicy:
    """What of a call's contents is captured, and how it is made fit to leave."""

    mode: ContentMode = ContentMode.NO_CONTENT
    redact: Callable[[str], str] = _unchanged
    """The host's own redaction of every text. Secrets are masked after it, always. If it raises, nothing of the call is captured."""
    max_chars: int = DEFAULT_MAX_CHARS
    """Limit on one call's contents, counting its texts and a little for each part. The answer goes first, then the newest messages."""

    @classmethod
    def from_environment(cls) -> ContentPolicy:
        """The policy that the standard environment variable asks for."""
        return cls(mode_from_environment())

    def capture(self, record: CallRecord) -> CapturedContent:
        """The contents of `record`, redacted and cut to size; empty for embeddings, which have no messages."""
        request = record.request
        if request.target.operation is Operation.EMBEDDINGS:
            return CapturedContent()
        texts = Texts(self.redact, request.secrets, self.max_chars)
        instructions, messages = split_instructions(_conversation(request.arguments))
        # In order of worth, since the later may find no room.
        answer = _answer(record, texts)
        instructed = instruction_parts(instructions, texts)
        asked = input_messages(messages, texts)
        return CapturedContent(instructed, asked, answer, texts.is_truncated)


def _conversation(arguments: Mapping[str, Any]) -> Any:
    """The request's messages; a bare prompt is one of the user's, and instructions beside it are the system's."""
    if arguments.get("messages") is not None:
        return arguments["messages"]
    instructions, asked = arguments.get("instructions"), arguments.get("input")
    told: list[Any] = [{"role": "system", "content": instructions}] if isinstance(instructions, str) else []
    if isinstance(asked, list) and all(read(item, "role") is not None for item in asked):
        return told + asked
    prompts = texts_in([arguments.get(name) for name in ("input", "prompt", "query")])
    return told + [{"role": "user", "content": prompt} for prompt in prompts]


def _answer(record: CallRecord, texts: Texts) -> list[Message]:
    """The answer as one message, or none when there is none."""
    output = record.output
    if output is None:
        return []
    reason = output.finish_reason
    if reason is None and record.status is not Status.SUCCEEDED:
        reason = semconv.FINISH_REASON_ERROR
    message: Message = {"role": "assistant", "parts": output_parts(output, texts)}
    return [message if reason is None else {**message, "finish_reason": reason}]


@dataclass(frozen=True, slots=True)
class CapturedContent:
    """Contents as the conventions model them: lists of parts and of messages, of plain JSON values."""

    system_instructions: list[Part] = field(default_factory=list, repr=False)
    input_messages: list[Message] = field(default_factory=list, repr=False)
    output_messages: list[Message] = field(default_factory=list, repr=False)
    is_truncated: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """The structured form, for an event; what is empty is left out."""
        lists = (
            (semconv.SYSTEM_INSTRUCTIONS, self.system_instructions),
            (semconv.INPUT_MESSAGES, self.input_messages),
            (semconv.OUTPUT_MESSAGES, self.output_messages),
        )
        return {name: value for name, value in lists if value}

    @property
    def mark(self) -> AttributeMap:
        """The attribute that says that something was left out, or none."""
        return {semconv.CONTENT_TRUNCATED: True} if self.is_truncated else {}

    @property
    def span_attributes(self) -> AttributeMap:
        """The form for a span: JSON text, since an attribute of a span holds no structure."""
        return {name: json.dumps(value, ensure_ascii=False) for name, value in self.body.items()} | self.mark
