"""A whole answer -> `Reply`, what the model said, and `ResponseFacts`, what its record tells; and what makes an answer usable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from agentcore_metering.core.errors import EmptyResponse
from agentcore_metering.core.payload import first, read, read_int
from agentcore_metering.core.types import OutputContent, ResponseFacts
from agentcore_metering.core.usage import extract_usage, find_usage, usage_units

__all__ = ["Reply", "read_facts", "read_reply", "read_tool_calls", "reported_cost", "require_content", "served_tier"]

USD_TICK = Decimal("1e-10")
"""xAI states its costs in these."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said."""

    text: str = field(repr=False)
    """Byte for byte as it came; "" when there was none."""
    tool_calls: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """As `{"id", "type", "function": {"name", "arguments"}}` with `arguments` as JSON text."""
    reasoning: str | None = field(default=None, repr=False)
    finish_reason: str | None = None
    model: str | None = None
    """Who answered, where that may have to be told in an error."""

    @property
    def said(self) -> str:
        """All that was said, reasoning first and tool calls last: what output tokens are estimated from."""
        functions = [call["function"] for call in self.tool_calls]
        return "".join(
            (self.reasoning or "", self.text, *(part for function in functions for part in function.values()))
        )

    @property
    def output(self) -> OutputContent:
        """The reply for an observer of contents."""
        return OutputContent(self.text, self.reasoning, self.tool_calls, self.finish_reason)


def read_reply(response: Any) -> Reply:
    """The reply in a chat completion.

    Raises:
        EmptyResponse: there is no response, or no choice or message in it. Its tokens, if any, are read by the caller all the same.
    """
    if response is None:
        raise EmptyResponse("LLM service returned None response")
    choice = first(read(response, "choices"))
    message = read(choice, "message")
    if message is None:
        raise EmptyResponse(f"LLM returned empty response (no message in it; model={read(response, 'model')!r})")
    text = read(message, "content")
    return Reply(
        text=text if isinstance(text, str) else "",
        tool_calls=read_tool_calls(read(message, "tool_calls")),
        reasoning=read(message, "reasoning_content", "reasoning"),
        finish_reason=read(choice, "finish_reason"),
        model=_text(read(response, "model")),
    )


def read_facts(response: Any) -> ResponseFacts:
    """What the answer says of itself; every field None, and no usage, where it says nothing."""
    told = find_usage(response)
    usage = extract_usage(told)
    if usage.raw is not None:
        told = usage.raw  # the same as plain values, of which each is read in a fraction of the time
    return ResponseFacts(
        usage=usage,
        provider_cost=reported_cost(told),
        response_id=_text(read(response, "id")),
        response_model=_text(read(response, "model")),
        finish_reason=_text(read(first(read(response, "choices")), "finish_reason")),
        service_tier=served_tier(response),
        units=usage_units(told),
    )


def reported_cost(usage: Any) -> Decimal | None:
    """The cost that the provider put into its usage object, in the currency that the endpoint reports in, or None.

    `cost` as OpenRouter and others have it, its `total_cost` as Perplexity does, and xAI's exact `cost_in_usd_ticks` before both.
    """
    ticks = read_int(usage, "cost_in_usd_ticks")
    if ticks is not None and ticks >= 0:
        return ticks * USD_TICK
    value = read(usage, "cost")
    if isinstance(value, Mapping):
        value = value.get("total_cost")
    if value is None or isinstance(value, (bool, Mapping)):
        return None
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and cost >= 0 else None


def served_tier(response: Any) -> str | None:
    """The service tier that an answer or a chunk says it was served with, in the provider's word, or None.

    OpenAI has it beside the usage, Anthropic in it; of Gemini's `trafficType` LiteLLM keeps a note.
    """
    for payload, names in (
        (response, ("service_tier",)),
        (read(response, "usage"), ("service_tier", "trafficType", "traffic_type")),
        (read(read(response, "_hidden_params"), "provider_specific_fields"), ("traffic_type",)),
    ):
        tier = read(payload, *names) if payload is not None else None
        if isinstance(tier, str) and tier:
            return tier
    return None


def read_tool_calls(calls: Any) -> tuple[Mapping[str, Any], ...]:
    """Tool calls as plain dicts; those without a function name are dropped, missing arguments become `{}`."""
    if not isinstance(calls, (list, tuple)):
        return ()
    found = []
    for call in calls:
        function = read(call, "function")
        name = read(function, "name")
        if name:
            arguments = read(function, "arguments")
            function_dict = {"name": str(name), "arguments": arguments if isinstance(arguments, str) else "{}"}
            found.append({"id": read(call, "id"), "type": "function", "function": function_dict})
    return tuple(found)


def require_content(reply: Reply) -> str:
    """The reply's text, which may be blank only beside a tool call.

    Raises:
        EmptyResponse: neither text nor tool call.
    """
    if not reply.text.strip() and not reply.tool_calls:
        reasoning = reply.reasoning or ""
        raise EmptyResponse(
            f"LLM returned empty response (finish_reason={reply.finish_reason} has_reasoning_content={bool(reasoning)} "
            f"reasoning_len={len(reasoning)} model={reply.model})"
        )
    return reply.text


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
