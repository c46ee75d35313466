"""What a caller gets back at the end: the usage dict of a stream, and exceptions in words for end users where they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agentcore_metering.adapters.django.trackers.messages import to_friendly
from agentcore_metering.adapters.django.trackers.state import usage_dict
from agentcore_metering.core.stream_run import StreamAnswer

__all__ = ["raise_friendly", "stream_usage", "stream_usage_with_id", "translation"]


def stream_usage(answer: StreamAnswer) -> dict[str, Any]:
    """The usage dict, with `_tool_calls` and `_finish_reason` where the answer had them."""
    usage = usage_dict(answer.record)
    if answer.tool_calls:
        usage["_tool_calls"] = [dict(call) for call in answer.tool_calls]
    if answer.finish_reason is not None:
        usage["_finish_reason"] = answer.finish_reason
    return usage


def stream_usage_with_id(answer: StreamAnswer) -> dict[str, Any]:
    """The same with `_response_id`, by which the next response goes on from this one."""
    return {**stream_usage(answer), "_response_id": answer.record.facts.response_id}


def raise_friendly(exc: Exception, *, is_wanted: bool) -> None:
    """Raise the end user's version of `exc` from it, if wanted and if there is one."""
    friendly = to_friendly(exc) if is_wanted else None
    if friendly is not None:
        raise friendly from exc


def translation(*, is_wanted: bool) -> Callable[[Exception], Exception] | None:
    """The same for a stream: what its last exception becomes; None where it stays as it is."""
    return _friendly_or_same if is_wanted else None


def _friendly_or_same(exc: Exception) -> Exception:
    return to_friendly(exc) or exc
