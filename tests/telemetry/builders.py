"""Records of calls as the lifecycle makes them, with defaults that a test overrides where it matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from agentcore_metering.core.ports import CallObservation, CallObserver
from agentcore_metering.core.types import (
    AttemptRecord,
    CallContext,
    CallRecord,
    CallRequest,
    ConfigScope,
    Cost,
    CostSource,
    CostStatus,
    Failure,
    FailureKind,
    ModelTarget,
    Operation,
    Price,
    ResponseFacts,
    Status,
    TokenClass,
    Usage,
    UsageSource,
)

STARTED_AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
CALL_ID = UUID("01940000-0000-7000-8000-000000000001")
SECRET = "sk-canary-0123456789"

CHAT = ModelTarget(
    operation=Operation.CHAT,
    provider="openai",
    provider_name="openai",
    request_model="gpt-4o-mini",
    litellm_model="openai/gpt-4o-mini",
    server_address="api.openai.com",
    server_port=443,
    config_uuid=UUID("01940000-0000-7000-8000-00000000c0f1"),
    config_scope=ConfigScope.USER,
)
STREAM = replace(CHAT, is_streaming=True)
EMBEDDINGS = replace(
    CHAT,
    operation=Operation.EMBEDDINGS,
    request_model="text-embedding-3-small",
    litellm_model="openai/text-embedding-3-small",
)
CONTEXT = CallContext(user_id=42, node_name="summarise", metadata={"trace_id": "host-7"}, conversation_id="talk-7")
USAGE = Usage(
    input_tokens=100,
    output_tokens=20,
    cache_read_tokens=64,
    cache_write_tokens=8,
    reasoning_tokens=5,
    source=UsageSource.PROVIDER,
)
ANSWERED = ResponseFacts(
    usage=USAGE,
    response_id="chatcmpl-1",
    response_model="gpt-4o-mini-2024-07-18",
    finish_reason="stop",
    service_tier="default",
)
RATE_LIMITED = Failure(FailureKind.RATE_LIMIT, "RateLimitError", "429: slow down", is_retryable=True, retry_after_s=2.0)
TIMED_OUT = Failure(FailureKind.TIMEOUT, "Timeout", "no answer in 30 s")


def price(currency: str = "USD", version: str = "litellm 1.106.2") -> Price:
    return Price(currency, MappingProxyType({TokenClass.INPUT: Decimal("0.00000015")}), CostSource.PRICE_MAP, version)


def cost(amount: str, currency: str = "USD", source: CostSource = CostSource.PRICE_MAP) -> Cost:
    return Cost(Decimal(amount), currency, source, price(currency))


def request(target: ModelTarget = CHAT, **parameters: Any) -> CallRequest:
    arguments = {"model": target.litellm_model, "api_key": SECRET, "messages": [{"role": "user", "content": "hello"}]}
    return CallRequest(
        target, arguments | parameters, timeout_s=180.0, max_retries=3, parameters=parameters, secrets=(SECRET,)
    )


def attempt(number: int = 1, target: ModelTarget = CHAT, **changes: Any) -> AttemptRecord:
    """A successful attempt that started 2.5 s after the one before and took 1.25 s."""
    values: dict[str, Any] = {
        "id": UUID(int=CALL_ID.int + number - 1),
        "call_id": CALL_ID,
        "attempt": number,
        "target": target,
        "context": CONTEXT,
        "status": Status.SUCCEEDED,
        "started_at": STARTED_AT + timedelta(seconds=2.5 * (number - 1)),
        "duration_s": 1.25,
        "facts": ANSWERED,
        "cost": cost("0.000019200000"),
        "cost_status": CostStatus.PRICED,
    }
    return AttemptRecord(**values | changes)


def failed_attempt(number: int = 1, failure: Failure = RATE_LIMITED, **changes: Any) -> AttemptRecord:
    """An attempt that was refused: no usage, no cost."""
    refused: dict[str, Any] = {
        "status": Status.FAILED,
        "failure": failure,
        "facts": ResponseFacts(),
        "cost": None,
        "cost_status": CostStatus.NO_USAGE,
    }
    return attempt(number, **refused | changes)


def call(*attempts: AttemptRecord, call_request: CallRequest | None = None, **changes: Any) -> CallRecord:
    """The call of `attempts`: it ended as its last one did and took 2 s."""
    last = attempts[-1] if attempts else None
    values: dict[str, Any] = {
        "call_id": CALL_ID,
        "request": call_request or request(attempts[0].target if attempts else CHAT),
        "context": CONTEXT,
        "status": last.status if last else Status.CANCELLED,
        "started_at": STARTED_AT,
        "duration_s": 2.0,
        "attempts": attempts,
        "failure": last.failure if last else None,
    }
    return CallRecord(**values | changes)


def observe(observer: CallObserver, record: CallRecord) -> CallObservation:
    """Tell `observer` of `record` as the lifecycle does, and give the observation back."""
    observation = observer.call_started(record.request, record.context, record.started_at)
    for ended in record.attempts:
        observation.attempt_ended(ended, will_retry=ended is not record.last_attempt)
    observation.call_ended(record)
    return observation


def succeeded_call() -> CallRecord:
    parameters: dict[str, Any] = {
        "temperature": 0,
        "top_p": 0.9,
        "top_k": 40,
        "max_tokens": 64,
        "frequency_penalty": 1,
        "presence_penalty": -1,
        "stop": "END",
        "seed": 7,
        "n": 2,
        "reasoning_effort": "low",
        "response_format": {"type": "json_object"},
    }
    return call(attempt(), call_request=request(**parameters))


def failed_call() -> CallRecord:
    return call(failed_attempt(failure=TIMED_OUT))


def retried_call() -> CallRecord:
    billed = failed_attempt(
        failure=Failure(FailureKind.EMPTY_RESPONSE, "EmptyResponse", "no text"),
        facts=replace(ANSWERED, response_id="chatcmpl-0"),
        cost=cost("0.000019200000"),
        cost_status=CostStatus.PRICED,
    )
    return call(billed, failed_attempt(2), attempt(3), duration_s=6.25)


def cancelled_stream() -> CallRecord:
    """The reader left after three chunks; the tokens are estimated and there is no price."""
    estimated = Usage(input_tokens=9, output_tokens=3, source=UsageSource.ESTIMATED)
    cut_short = attempt(
        target=STREAM,
        status=Status.CANCELLED,
        time_to_first_chunk_s=0.25,
        facts=ResponseFacts(usage=estimated, response_id="chatcmpl-2", response_model="gpt-4o-mini-2024-07-18"),
        cost=None,
        cost_status=CostStatus.UNPRICED,
    )
    return call(cut_short, time_to_first_chunk_s=0.25, chunk_intervals_s=(0.5, 0.125))


def two_currency_call() -> CallRecord:
    dear = attempt(1, status=Status.FAILED, failure=TIMED_OUT, cost=cost("0.0012"))
    cheap = attempt(2, cost=cost("0.034000000000", "CNY", CostSource.OPERATOR))
    return call(dear, cheap, duration_s=3.75)


def embeddings_call() -> CallRecord:
    facts = ResponseFacts(
        usage=Usage(input_tokens=7, source=UsageSource.PROVIDER), response_model="text-embedding-3-small"
    )
    own_figure = Cost(Decimal("0.00000014"), "USD", CostSource.PROVIDER)
    embedded = attempt(target=EMBEDDINGS, facts=facts, cost=own_figure)
    return call(embedded, call_request=request(EMBEDDINGS, dimensions=256, encoding_format="float"))


SCENARIOS = (succeeded_call, failed_call, retried_call, cancelled_stream, two_currency_call, embeddings_call)
