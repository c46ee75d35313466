"""The pure mapping from the records of a call to OpenTelemetry attributes: no span, no instrument, no side effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

from opentelemetry.util.types import AttributeValue

from agentcore_metering.core.types import (
    AttemptRecord,
    CallContext,
    CallRecord,
    CallRequest,
    Failure,
    ModelTarget,
    Operation,
    Status,
    Usage,
    UsageSource,
)
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.totals import CallTotals

AttributeMap = dict[str, AttributeValue]


class CostConvention(StrEnum):
    """Under which name a span carries its cost for others to read. One at a time: no name may be both a value and a prefix of others."""

    OTEL_DRAFT = "otel-draft"
    """`gen_ai.usage.cost.amount`, `.currency` and `.source`, as proposed to the GenAI conventions."""
    USAGE_COST = semconv.COST_ALIAS
    OPERATION_COST = semconv.OPERATION_COST
    NONE = "none"


def error_type(status: Status, failure: Failure | None) -> str | None:
    """`error.type`: set for what failed, and for that alone."""
    if status is not Status.FAILED:
        return None
    return failure.error_type if failure is not None else semconv.ERROR_TYPE_OTHER


def decimal_text(amount: Decimal) -> str:
    """`amount` in plain digits, without an exponent and without trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _present(pairs: Iterable[tuple[str, AttributeValue | None]]) -> AttributeMap:
    return {name: value for name, value in pairs if value is not None}


def span_name(target: ModelTarget) -> str:
    """`{operation} {request model}`, or the operation alone where no model is named."""
    return f"{target.operation.value} {target.request_model}".rstrip()


def base_attributes(target: ModelTarget, response_model: str | None) -> AttributeMap:
    """The attributes that every metric carries. They are few by design: no user, node or metadata."""
    return _present(
        (
            (semconv.OPERATION_NAME, target.operation.value),
            (semconv.PROVIDER_NAME, target.provider_name),
            (semconv.REQUEST_MODEL, target.request_model or None),
            (semconv.RESPONSE_MODEL, response_model),
            (semconv.SERVER_ADDRESS, target.server_address),
            (semconv.SERVER_PORT, target.server_port if target.server_address is not None else None),
        )
    )


def sampling_attributes(target: ModelTarget) -> AttributeMap:
    """What a sampler may decide by, so what a span has from its start."""
    attributes = base_attributes(target, None)
    if target.is_streaming:
        attributes[semconv.REQUEST_STREAM] = True
    return attributes


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value)


def _choice_count(value: Any) -> int | None:
    count = int(value)
    return count if count != 1 else None


def _reasoning_level(value: Any) -> str | None:
    level = value.get("effort") if isinstance(value, Mapping) else value
    return str(level) if level is not None else None


def _output_type(value: Any) -> str | None:
    if isinstance(value, type):
        # LiteLLM's way to ask for JSON of that class's schema.
        return semconv.OUTPUT_TYPE_JSON
    kind = value.get("type") if isinstance(value, Mapping) else None
    if not isinstance(kind, str):
        return None
    return semconv.OUTPUT_TYPE_JSON if kind.startswith(semconv.OUTPUT_TYPE_JSON) else semconv.OUTPUT_TYPE_TEXT


_PARAMETERS: tuple[tuple[str, str, Callable[[Any], AttributeValue | None]], ...] = (
    ("temperature", semconv.REQUEST_TEMPERATURE, float),
    ("top_p", semconv.REQUEST_TOP_P, float),
    ("top_k", semconv.REQUEST_TOP_K, int),
    ("max_tokens", semconv.REQUEST_MAX_TOKENS, int),
    ("max_completion_tokens", semconv.REQUEST_MAX_TOKENS, int),
    ("frequency_penalty", semconv.REQUEST_FREQUENCY_PENALTY, float),
    ("presence_penalty", semconv.REQUEST_PRESENCE_PENALTY, float),
    ("stop", semconv.REQUEST_STOP_SEQUENCES, _texts),
    ("seed", semconv.REQUEST_SEED, int),
    ("n", semconv.REQUEST_CHOICE_COUNT, _choice_count),
    ("reasoning_effort", semconv.REQUEST_REASONING_LEVEL, _reasoning_level),
    ("response_format", semconv.OUTPUT_TYPE, _output_type),
    ("dimensions", semconv.EMBEDDINGS_DIMENSION_COUNT, int),
    ("encoding_format", semconv.REQUEST_ENCODING_FORMATS, _texts),
)


def _parameter_attributes(parameters: Mapping[str, Any]) -> AttributeMap:
    attributes: AttributeMap = {}
    for parameter, name, convert in _PARAMETERS:
        if (given := parameters.get(parameter)) is None:
            continue
        try:
            value = convert(given)
        except (TypeError, ValueError, OverflowError):
            # The provider says what it thinks of such a value; an attribute of the wrong type would only confuse a backend.
            continue
        if value is not None:
            attributes[name] = value
    return attributes


def request_attributes(request: CallRequest, context: CallContext) -> AttributeMap:
    """What is known when a call begins and no sampler needs: its parameters and its caller."""
    return _parameter_attributes(request.parameters) | _present(
        (
            (semconv.OUTPUT_TYPE, request.output_type),
            (semconv.USER_ID, str(context.user_id) if context.user_id is not None else None),
            (semconv.CONVERSATION_ID, context.conversation_id),
            (semconv.NODE, context.node_name),
        )
    )


def _finish_reasons(attempt: AttemptRecord) -> tuple[str, ...] | None:
    facts = attempt.facts
    if facts.finish_reason is not None:
        return (facts.finish_reason,)
    is_answered = facts.response_id is not None or attempt.time_to_first_chunk_s is not None
    if attempt.status is Status.SUCCEEDED or not is_answered:
        return None
    return (semconv.FINISH_REASON_ERROR,)


def _response_attributes(attempt: AttemptRecord) -> AttributeMap:
    facts, target = attempt.facts, attempt.target
    is_openai = target.provider_name == semconv.PROVIDER_OPENAI
    return _present(
        (
            (semconv.USAGE_ID, str(attempt.id)),
            (semconv.RESPONSE_ID, facts.response_id),
            (semconv.RESPONSE_MODEL, facts.response_model),
            (semconv.RESPONSE_FINISH_REASONS, _finish_reasons(attempt)),
            (semconv.OPENAI_RESPONSE_SERVICE_TIER, facts.service_tier if is_openai else None),
        )
    )


def _usage_attributes(operation: Operation, usage: Usage) -> AttributeMap:
    attributes: AttributeMap = {semconv.USAGE_INPUT_TOKENS: usage.input_tokens}
    if operation is not Operation.EMBEDDINGS:
        attributes |= {
            semconv.USAGE_OUTPUT_TOKENS: usage.output_tokens,
            semconv.USAGE_CACHE_READ_INPUT_TOKENS: usage.cache_read_tokens,
            semconv.USAGE_CACHE_WRITE_INPUT_TOKENS: usage.cache_write_tokens,
            semconv.USAGE_CACHE_CREATION_INPUT_TOKENS: usage.cache_write_tokens,
            semconv.USAGE_REASONING_OUTPUT_TOKENS: usage.reasoning_tokens,
        }
    return attributes


def _cost_attributes(totals: CallTotals, convention: CostConvention) -> AttributeMap:
    if len(totals.amounts) > 1:
        amounts = tuple(f"{decimal_text(amount)} {currency}" for currency, amount in totals.amounts.items())
        return {semconv.EXACT_COST_AMOUNTS: amounts}
    attributes: AttributeMap = {}
    for currency, amount in totals.amounts.items():
        attributes |= _conventional_cost(currency, amount, totals.cost_source, convention)
        attributes[semconv.EXACT_COST_AMOUNT] = decimal_text(amount)
        attributes[semconv.EXACT_COST_CURRENCY] = currency
    return attributes


def _conventional_cost(
    currency: str, amount: Decimal, source: str | None, convention: CostConvention
) -> Mapping[str, AttributeValue]:
    if convention is CostConvention.OTEL_DRAFT:
        draft = (semconv.COST_AMOUNT, float(amount)), (semconv.COST_CURRENCY, currency), (semconv.COST_SOURCE, source)
        return _present(draft)
    if convention is CostConvention.NONE or currency != semconv.COST_ALIAS_CURRENCY:
        # The two names in use have no currency; whoever reads them takes dollars for granted.
        return {}
    return {convention.value: float(amount)}


def result_attributes(
    record: CallRecord, totals: CallTotals, convention: CostConvention = CostConvention.OTEL_DRAFT
) -> AttributeMap:
    """What is known when a call has ended. Usage and cost are `totals`; the response is the last attempt's."""
    last = record.last_attempt
    target = last.target if last is not None else record.request.target
    first_chunk_s = record.time_to_first_chunk_s
    attributes = _present(
        (
            (semconv.CALL_ID, str(record.call_id)),
            (semconv.ATTEMPTS_COUNT, len(record.attempts)),
            (semconv.STATUS, record.status.value),
            (semconv.ERROR_TYPE, error_type(record.status, record.failure)),
            (semconv.LITELLM_MODEL, target.litellm_model),
            (semconv.CONFIG_SCOPE, target.config_scope.value if target.config_scope is not None else None),
            (semconv.RESPONSE_TIME_TO_FIRST_CHUNK, float(first_chunk_s) if first_chunk_s is not None else None),
            (semconv.USAGE_SOURCE, (totals.usage.source if totals.usage is not None else UsageSource.NONE).value),
            (semconv.COST_STATUS, totals.cost_status.value),
            (semconv.PRICE_VERSION, totals.price_version),
        )
    )
    if last is not None:
        attributes |= _response_attributes(last)
    if totals.usage is not None:
        attributes |= _usage_attributes(target.operation, totals.usage)
    return attributes | _cost_attributes(totals, convention)


def exception_attributes(failure: Failure) -> AttributeMap:
    """The exception event of a failed call. Without a stack trace: its frames hold keys."""
    return {semconv.EXCEPTION_TYPE: failure.error_type, semconv.EXCEPTION_MESSAGE: failure.message}


def retry_attributes(attempt: AttemptRecord, following: AttemptRecord) -> AttributeMap:
    """The event of `attempt`, which failed and which `following` repeated. The delay is what was really waited, in seconds."""
    # By the wall clock, which may have been set back meanwhile.
    delay_s = max(0.0, (following.started_at - attempt.ended_at).total_seconds())
    return _present(
        (
            (semconv.RETRY_ATTEMPT, attempt.attempt),
            (semconv.RETRY_DELAY, delay_s),
            (semconv.USAGE_ID, str(attempt.id)),
            (semconv.ERROR_TYPE, error_type(attempt.status, attempt.failure)),
        )
    )
