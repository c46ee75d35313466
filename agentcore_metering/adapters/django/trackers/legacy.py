"""What existing projects call although the reference has it as private: a call with ready arguments, and a row by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import timezone

from agentcore_metering.adapters.django.runtime import get_metering
from agentcore_metering.adapters.django.trackers.outcomes import raise_friendly
from agentcore_metering.adapters.django.trackers.state import append_llm_call, message_dict, parse_state, usage_dict
from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.completion import complete
from agentcore_metering.core.containment import contained
from agentcore_metering.core.direct_request import ready_request
from agentcore_metering.core.ids import uuid7
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.responses import Reply, read_tool_calls
from agentcore_metering.core.types import (
    AttemptRecord,
    Cost,
    CostSource,
    CostStatus,
    Failure,
    FailureKind,
    ModelTarget,
    Operation,
    ResponseFacts,
    Status,
    Usage,
    UsageSource,
)

__all__ = ["call_ready", "message_payload", "save_usage"]


def call_ready(  # noqa: PLR0913 - existing projects call it by this signature
    params: Mapping[str, Any],
    effective_state: Any,
    node_name: str,
    state: Any,
    model: str,
    return_message: bool = False,
    friendly_errors: bool = False,
) -> tuple[Any, dict[str, Any]]:
    """What `LLMTracker.call_and_track` gives, by LiteLLM's own arguments (`params`, `messages` among them) and no configuration.

    `effective_state` says who calls, `state` gets `llm_calls`; `model` is what `params` says. Raises as `call_and_track` does.
    """
    metering = get_metering()
    request = ready_request(params, metering.request_policy)
    context = parse_state(effective_state, node_name)
    metering.prices.refresh_if_due()
    try:
        answer = complete(Call(metering.services, request, context, lambda record: append_llm_call(state, record)))
    except Exception as exc:
        raise_friendly(exc, is_wanted=friendly_errors)
        raise
    return message_dict(answer.reply) if return_message else answer.text, usage_dict(answer.record)


def message_payload(message: Any, finish_reason: str | None) -> dict[str, Any]:
    """A provider's message as the dict that `return_message` gives."""
    content = getattr(message, "content", None)
    reasoning = getattr(message, "reasoning_content", None)
    return message_dict(
        Reply(
            text=content if isinstance(content, str) else "",
            reasoning=reasoning if isinstance(reasoning, str) and reasoning else None,
            tool_calls=read_tool_calls(getattr(message, "tool_calls", None)),
            finish_reason=finish_reason,
        )
    )


def save_usage(**values: Any) -> None:
    """One usage row by the columns' names (`model`, `prompt_tokens`, ..., `state`, `node_name`), on the way of every other row.

    Never raises. Not counted by metrics: it is no call of ours.
    """
    with contained("persistence"):
        get_metering().services.sink.attempt_ended(_record(values))


def _record(values: Mapping[str, Any]) -> AttemptRecord:
    row_id, now = uuid7(), timezone.now()
    started_at: datetime = values.get("started_at") or now
    model = str(values.get("model") or "unknown")
    is_success = bool(values.get("success", True))
    error = values.get("error")
    cost = _cost(values)
    first_chunk_at = values.get("first_chunk_at")
    return AttemptRecord(
        id=row_id,
        call_id=row_id,
        attempt=1,
        target=ModelTarget(
            Operation.CHAT, "", "", model.partition("/")[2] or model, model, bool(values.get("is_streaming"))
        ),
        context=parse_state(values.get("state"), values.get("node_name")),
        status=Status.SUCCEEDED if is_success else Status.FAILED,
        started_at=started_at,
        duration_s=max(0.0, (now - started_at).total_seconds()),
        time_to_first_chunk_s=None
        if first_chunk_at is None
        else max(0.0, (first_chunk_at - started_at).total_seconds()),
        failure=None if is_success else Failure(FailureKind.UNKNOWN, "unknown", str(error or "")),
        facts=ResponseFacts(usage=_usage(values), response_model=values.get("response_model")),
        cost=cost,
        cost_status=CostStatus.UNPRICED if cost is None else CostStatus.PRICED if cost.amount else CostStatus.FREE,
    )


def _usage(values: Mapping[str, Any]) -> Usage:
    return Usage(
        input_tokens=int(values.get("prompt_tokens") or 0),
        output_tokens=int(values.get("completion_tokens") or 0),
        cache_read_tokens=int(values.get("cached_tokens") or 0),
        reasoning_tokens=int(values.get("reasoning_tokens") or 0),
        source=UsageSource.PROVIDER,
    )


def _cost(values: Mapping[str, Any]) -> Cost | None:
    if values.get("cost") is None:
        return None
    try:
        amount = Decimal(str(values["cost"])).quantize(Decimal("1e-12"))
    except InvalidOperation:
        return None
    return Cost(amount, str(values.get("cost_currency") or DEFAULT_COST_CURRENCY), CostSource.PROVIDER)
