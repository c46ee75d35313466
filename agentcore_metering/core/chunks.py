"""A provider's stream chunks -> text deltas for the caller, and the facts of the whole: pure, no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from agentcore_metering.core.payload import fields_of, first, merged, read, read_int
from agentcore_metering.core.responses import read_tool_calls, reported_cost, served_tier
from agentcore_metering.core.types import OutputContent, ResponseFacts
from agentcore_metering.core.usage import extract_usage, find_usage, usage_units

__all__ = ["Delta", "StreamAccumulator"]

Delta = tuple[Literal["content", "reasoning"], str]
"""What the caller of a stream gets: the kind, and text byte for byte as the provider sent it."""


class StreamAccumulator:
    """Takes chunks one by one; knows at any moment what an interrupted stream has given so far."""

    def __init__(self) -> None:
        self.has_provider_chunks = False
        """Whether `trust_only` will be given the provider's own chunks: what these say of usage is then not looked for twice."""
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.finish_reason: str | None = None
        self._tool_calls: dict[int, dict[str, str]] = {}
        self._usage: Mapping[str, Any] = {}
        """Everything that the chunks told of usage, later figures over earlier ones: all providers send running totals."""
        self._response_id: str | None = None
        self._response_model: str | None = None
        self._service_tier: str | None = None

    def feed(self, chunk: Any) -> list[Delta]:
        """The text in this chunk, reasoning before content; empty strings are skipped, white space is kept."""
        self._note_facts(chunk)
        choice = first(read(chunk, "choices"))
        if choice is None:
            return []
        self.finish_reason = read(choice, "finish_reason") or self.finish_reason
        # Some gateways send whole messages where a delta belongs.
        delta = read(choice, "delta", "message")
        self._note_tool_calls(read(delta, "tool_calls"))
        deltas: list[Delta] = []
        reasoning = _text(read(delta, "reasoning_content", "reasoning"))
        if reasoning:
            self.reasoning.append(reasoning)
            deltas.append(("reasoning", reasoning))
        # A text completion's choice has its text where others have a delta.
        content = _text(read(delta, "content")) or _text(read(choice, "text"))
        if content:
            self.content.append(content)
            deltas.append(("content", content))
        return deltas

    def trust_only(self, provider_chunks: Iterable[Any]) -> None:
        """Hold what was fed against the chunks as the provider sent them.

        LiteLLM counts tokens itself when no chunk has usage, and writes its own list price into the last chunk's `usage.cost`;
        neither is marked. Only what stands in a provider's own chunk is the provider's.
        """
        self._usage = {}
        for chunk in provider_chunks:
            if _may_tell_facts(chunk):
                self._note_usage(chunk)
                self._service_tier = served_tier(chunk) or self._service_tier
            self.finish_reason = self.finish_reason or read(first(read(chunk, "choices")), "finish_reason")

    @property
    def text(self) -> str:
        """All that was said so far, reasoning first and tool calls last: what output tokens are estimated from."""
        calls = (call[part] for _, call in sorted(self._tool_calls.items()) for part in ("name", "arguments"))
        return "".join((*self.reasoning, *self.content, *calls))

    @property
    def tool_calls(self) -> tuple[Mapping[str, Any], ...]:
        """The tool calls, put together from their deltas."""
        calls = [
            {"id": call["id"] or None, "function": {"name": call["name"], "arguments": call["arguments"] or None}}
            for _, call in sorted(self._tool_calls.items())
        ]
        return read_tool_calls(calls)

    @property
    def output(self) -> OutputContent:
        """What has been said so far, for an observer of contents."""
        return OutputContent(
            "".join(self.content), "".join(self.reasoning) or None, self.tool_calls, self.finish_reason
        )

    @property
    def facts(self) -> ResponseFacts:
        """What the stream has said of itself so far."""
        return ResponseFacts(
            usage=extract_usage(self._usage),
            provider_cost=reported_cost(self._usage),
            response_id=self._response_id,
            response_model=self._response_model,
            finish_reason=self.finish_reason,
            service_tier=self._service_tier,
            units=usage_units(self._usage),
        )

    def _note_facts(self, chunk: Any) -> None:
        self._response_id = self._response_id or read(chunk, "id")
        self._response_model = self._response_model or read(chunk, "model")
        if not _may_tell_facts(chunk):
            return
        self._service_tier = served_tier(chunk) or self._service_tier
        if not self.has_provider_chunks:
            self._note_usage(chunk)

    def _note_usage(self, chunk: Any) -> None:
        # Any chunk may carry it: OpenAI's last has no choices, others repeat running totals, some send it before the end.
        told = find_usage(chunk)
        if told is not None and (raw := extract_usage(told).raw):
            self._usage = merged(self._usage, raw)

    def _note_tool_calls(self, deltas: Any) -> None:
        if not isinstance(deltas, (list, tuple)):
            return
        for position, delta in enumerate(deltas):
            index = read_int(delta, "index")
            call = self._tool_calls.setdefault(
                position if index is None else index, {"id": "", "name": "", "arguments": ""}
            )
            call["id"] = read(delta, "id") or call["id"]
            function = read(delta, "function")
            call["name"] += read(function, "name") or ""
            call["arguments"] += read(function, "arguments") or ""


def _may_tell_facts(chunk: Any) -> bool:
    """Whether there can be a usage or a tier in it. Most chunks have neither, and to look in each of their places costs more than the text."""
    own = fields_of(chunk)
    if own.get("usage") is not None or own.get("service_tier") is not None:
        return True
    choice = fields_of(first(own.get("choices")))
    if choice.get("usage") is not None or choice.get("provider_specific_fields") is not None:
        return True
    return read(read(chunk, "_hidden_params"), "provider_specific_fields") is not None


def _text(value: Any) -> str:
    """Text out of the shapes in which gateways send it: str, a part, or a list of parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return "".join(_text(part) for part in value)
    if value is None:
        return ""
    inner = read(value, "text", "content", "value")
    return _text(inner)
