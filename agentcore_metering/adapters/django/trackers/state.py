"""The caller's `state` dict and the dicts he gets back: parsed once on the way in, written once on the way out.

The names of the reference (`prompt_tokens`, `node`, ...) live here and nowhere further in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.responses import Reply
from agentcore_metering.core.types import EMPTY, AttemptRecord, CallContext, Status

__all__ = ["append_llm_call", "litellm_metadata", "message_dict", "parse_state", "traceparent_of", "usage_dict"]

UNKNOWN_NODE = "unknown"

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")
_TASK_ID_KEYS = ("source_task_id", "celery_task_id", "task_id")


def parse_state(state: Mapping[str, Any] | None, node_name: str | None) -> CallContext:
    """Who calls. Keys that are not metering's are ignored and never copied; the state's own `node_name` wins over the argument."""
    state = state or EMPTY
    metadata = state.get("metadata")
    return CallContext(
        user_id=state.get("user_id"),
        node_name=_node(state.get("node_name")) or _node(node_name),
        source_type=_text(state.get("source_type")),
        source_path=_text(state.get("source_path")),
        source_task_id=next((text for key in _TASK_ID_KEYS if (text := _text(state.get(key)))), None),
        metadata=dict(metadata) if isinstance(metadata, Mapping) else EMPTY,
        traceparent=traceparent_of(state),
        conversation_id=_text(state.get("conversation_id")) or _text(_read(metadata, "conversation_id")),
    )


def litellm_metadata(state: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What the caller wants LiteLLM's own callbacks to see; empty when nothing."""
    found = (state or EMPTY).get("litellm_metadata")
    return found if isinstance(found, Mapping) else EMPTY


def traceparent_of(state: Mapping[str, Any] | None) -> str | None:
    """The W3C `traceparent` that the caller names; None where there is none, or none that is valid."""
    value = state.get("otel_traceparent") if state else None
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


def append_llm_call(state: MutableMapping[str, Any] | None, record: AttemptRecord) -> None:
    """Add the attempt to `state["llm_calls"]`, which is made if it is not there. Side effect: changes the caller's dict."""
    if state is None:
        return
    entry = {
        "node": record.context.node_name or UNKNOWN_NODE,
        **usage_dict(record),
        "success": record.status is Status.SUCCEEDED,
        "error": record.failure.message if record.failure else None,
    }
    state.setdefault("llm_calls", []).append(entry)


def usage_dict(record: AttemptRecord) -> dict[str, Any]:
    """Model, tokens and cost as JSON values; `cost` is None when it is unknown."""
    usage, cost = record.facts.usage, record.cost
    return {
        "model": record.target.litellm_model,
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cached_tokens": usage.cache_read_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost": float(cost.amount) if cost else None,
        "cost_currency": cost.currency if cost else DEFAULT_COST_CURRENCY,
    }


def message_dict(reply: Reply) -> dict[str, Any]:
    """The assistant's message as OpenAI shapes it, with `finish_reason` and `reasoning_content` where there are any."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": reply.text,
        "tool_calls": [dict(call) for call in reply.tool_calls],
    }
    if reply.finish_reason is not None:
        message["finish_reason"] = reply.finish_reason
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    return message


def _text(value: Any) -> str | None:
    return str(value) if value else None


def _read(mapping: Any, name: str) -> Any:
    return mapping.get(name) if isinstance(mapping, Mapping) else None


def _node(value: Any) -> str | None:
    text = _text(value)
    return None if text == UNKNOWN_NODE else text
