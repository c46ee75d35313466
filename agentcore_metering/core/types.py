"""The values that travel through a call: frozen, slotted, framework-free.

One call gives one `CallRecord` with one `AttemptRecord` for each request to the provider. Span, metrics and database row are all
derived from these two and from nothing else. Nothing in a record is secret: keys and message contents live in `CallRequest` alone, and
the answer in `CallRecord.output` where an observer asked for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any
from uuid import UUID

from agentcore_metering.constants import DEFAULT_COST_CURRENCY
from agentcore_metering.core.enums import (
    ConfigScope,
    CostSource,
    CostStatus,
    FailureKind,
    Operation,
    Status,
    TokenClass,
    UsageSource,
)

__all__ = [
    "AttemptRecord",
    "AttemptStart",
    "CallContext",
    "CallRecord",
    "CallRequest",
    "ConfigScope",
    "Cost",
    "CostSource",
    "CostStatus",
    "Failure",
    "FailureKind",
    "ModelConfig",
    "ModelTarget",
    "Operation",
    "OutputContent",
    "Price",
    "ResponseFacts",
    "Status",
    "TokenClass",
    "TraceLink",
    "Usage",
    "UsageSource",
]

EMPTY: Mapping[str, Any] = MappingProxyType({})
PlainJSON = Annotated[Mapping[str, Any], "JSON values at any depth, so that nobody needs to look"]


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who calls and from where: the parts of the caller's `state` that metering reads, parsed once."""

    user_id: str | int | None = None
    """Primary key of the host's user model, or None for a call that belongs to nobody."""
    node_name: str | None = None
    """The step of the host's work that calls; None when it was not said."""
    source_type: str | None = None
    source_path: str | None = None
    source_task_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    """The host's own keys for the row; JSON values only. Never sent to the provider, never on a metric."""
    traceparent: str | None = None
    """W3C `traceparent` that shall be the span's parent instead of the current span."""
    conversation_id: str | None = None
    """The host's own id of the conversation that the call is part of; None when it was not said. On the span alone."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A resolved configuration with its secrets in clear: kept out of every repr, log and record."""

    provider: str
    options: Mapping[str, Any] = field(repr=False)
    """The configuration's keys as an admin stored them: `model`, `api_key`, `api_base`, ..."""
    scope: ConfigScope = ConfigScope.SETTINGS
    uuid: UUID | None = None
    """None for a configuration from Django settings."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """The secret values among `options`, for masking."""
    fallback: Any = None
    """The stored policy for when this configuration fails, not yet checked; None: there is none."""
    plans: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    """What `request` has worked out of it, which holds for as long as the configuration does."""


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """What is called: the identity that span, metrics and row share. No secret, no content."""

    operation: Operation
    provider: str
    """Our provider id, for example `azure_openai`; unknown ids are LiteLLM provider names."""
    provider_name: str
    """`gen_ai.provider.name`, for example `azure.ai.openai`."""
    request_model: str
    """`gen_ai.request.model`: the model without LiteLLM's provider prefix."""
    litellm_model: str
    """The model as LiteLLM is given it, for example `openai/gpt-4o-mini`; the row's `model`."""
    is_streaming: bool = False
    server_address: str | None = None
    server_port: int | None = None
    config_uuid: UUID | None = None
    config_scope: ConfigScope | None = None
    requested_service_tier: str | None = None
    """The tier that was asked for; which one was served, the answer says."""
    cost_currency: str = DEFAULT_COST_CURRENCY
    """ISO 4217 code of the costs that this endpoint reports itself."""

    def __hash__(self) -> int:
        # Of what tells most of them apart: of all fields it takes microseconds, and every call looks things up by its target.
        return hash((self.provider, self.litellm_model, self.operation))


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A call ready to be sent. Holds contents and key: never stored, never logged, and its repr shows neither."""

    target: ModelTarget
    arguments: Mapping[str, Any] = field(repr=False)
    """LiteLLM's keyword arguments, `timeout` being the configured constant."""
    timeout_s: float
    """One deadline for all attempts of the call, in seconds from its first."""
    max_retries: int
    """Retries after a failed attempt; 0 means one attempt."""
    parameters: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    """The request's sampling parameters by their LiteLLM names (`temperature`, `max_tokens`, ...), for the span."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Values that must not appear in any text that leaves the call."""
    redact_exceptions: bool = True
    """Mask secrets in a provider's exception and cut its traceback, whose frames hold the key."""
    function: str = "completion"
    """LiteLLM's name for what is called; see `operations.OPERATIONS`."""
    output_type: str | None = None
    """`gen_ai.output.type` where the function itself says what it makes: `image`, `speech`, `text`."""
    idle_timeout_s: float | None = None
    """Longest silence of a streaming provider, in seconds; None: as long as `timeout_s`."""
    total_timeout_s: float | None = None
    """Longest time from a stream's first request to its end, in seconds; None: as long as it flows."""


@dataclass(frozen=True, slots=True)
class TraceLink:
    """The span that a record belongs to. Ids are lower-case hex of 32 and 16 digits."""

    trace_id: str
    span_id: str
    is_sampled: bool

    @property
    def traceparent(self) -> str:
        """The W3C header that names this span as the parent of another."""
        return f"00-{self.trace_id}-{self.span_id}-{self.is_sampled:02x}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt. Cached tokens are part of the input, reasoning is part of the output: never add them again."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    """All of them, however long they are kept."""
    reasoning_tokens: int = 0
    source: UsageSource = UsageSource.NONE
    anomalies: tuple[str, ...] = ()
    """What was impossible in the provider's figures and had to be clamped, for example `cache_read>input`."""
    raw: PlainJSON | None = None
    """The provider's own usage object, JSON values only; None when there was none."""
    cache_write_1h_tokens: int = 0
    """Part of `cache_write_tokens`: kept for an hour."""
    input_audio_tokens: int = 0
    """Part of the input, cached ones included; so are images and video."""
    input_image_tokens: int = 0
    input_video_tokens: int = 0
    cache_read_audio_tokens: int = 0
    """Part of `cache_read_tokens` and of `input_audio_tokens`; likewise for images."""
    cache_read_image_tokens: int = 0
    output_audio_tokens: int = 0
    """Part of the output, and no reasoning; so are images and video."""
    output_image_tokens: int = 0
    output_video_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input plus output, whatever total the provider claims."""
        return self.input_tokens + self.output_tokens


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Price:
    """Unit prices of one model at one moment: enough to compute a cost again from the row alone."""

    currency: str
    unit_prices: Mapping[TokenClass, Decimal]
    """Price of one token by class. A class that is absent is charged as its parent; `pricing` says which that is."""
    source: CostSource
    version: str
    """Where the figures come from, for example `litellm 1.106.2 sha256:0f3a9c1b` or `llm_price 7`."""
    per_unit: Mapping[str, Decimal] = field(default_factory=lambda: EMPTY)
    """Price of one unit that is no token, by the names of `ResponseFacts.units`."""
    tier: str = ""
    """What made these figures differ from the model's plain ones, for example `flex above_272k`; empty when nothing did."""
    unpriced: tuple[TokenClass, ...] = ()
    """Classes that have a price of their own elsewhere but none in this tier: a call with such tokens has no known cost."""


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount in one currency. Unknown cost is None, never a Cost of zero."""

    amount: Decimal
    """At 12 decimal places."""
    currency: str
    source: CostSource
    price: Price | None = None
    """The prices that `amount`, or with a provider's own figure `computed_amount`, was calculated from."""
    computed_amount: Decimal | None = None
    """What the price book says where the provider's own figure won; None otherwise."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One exception, classified. `message` is redacted and bounded: fit for a row, a span and a log."""

    kind: FailureKind
    error_type: str
    """`error.type`: the exception's class name, or a low-cardinality code of ours."""
    message: str
    is_retryable: bool = False
    retry_after_s: float | None = None
    """What the provider asked for by `Retry-After`; None when it did not."""


@dataclass(frozen=True, slots=True)
class ResponseFacts:
    """What one answer, whole or cut short, says of itself."""

    usage: Usage = NO_USAGE
    provider_cost: Decimal | None = None
    """The cost that the provider itself reported, in `ModelTarget.cost_currency`."""
    response_id: str | None = None
    response_model: str | None = None
    finish_reason: str | None = None
    service_tier: str | None = None
    """The tier that the provider says it served."""
    units: Mapping[str, Decimal] = field(default_factory=lambda: EMPTY)
    """What is billed and is no token: `images`, `seconds`, `characters`, `queries`, `web_searches`."""


@dataclass(frozen=True, slots=True)
class AttemptStart:
    """An attempt that is about to be sent: what is left of it should the process die."""

    id: UUID
    call_id: UUID
    attempt: int
    target: ModelTarget
    context: CallContext
    started_at: datetime
    trace: TraceLink | None = None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One request to the provider, ended: exactly one database row."""

    id: UUID
    """UUIDv7, the row's primary key."""
    call_id: UUID
    """The id of the call's first attempt, on every attempt of the call."""
    attempt: int
    """1 for the first."""
    target: ModelTarget
    context: CallContext
    status: Status
    started_at: datetime
    duration_s: float
    """By the monotonic clock; until the last chunk of a stream."""
    time_to_first_chunk_s: float | None = None
    """Seconds from the attempt's start to its first text; None without a stream or without text."""
    failure: Failure | None = None
    facts: ResponseFacts = field(default_factory=ResponseFacts)
    cost: Cost | None = None
    cost_status: CostStatus = CostStatus.NO_USAGE
    trace: TraceLink | None = None
    notes: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    """Our own diagnostics for the row's metadata, for example `empty_response_diagnostics`."""

    @property
    def ended_at(self) -> datetime:
        """Start plus monotonic duration, so a clock step never gives a negative latency."""
        return self.started_at + timedelta(seconds=self.duration_s)

    @property
    def first_chunk_at(self) -> datetime | None:
        """When the first text came, or None."""
        if self.time_to_first_chunk_s is None:
            return None
        return self.started_at + timedelta(seconds=self.time_to_first_chunk_s)

    @property
    def error_type(self) -> str | None:
        """`error.type` of a failed attempt, else None."""
        return self.failure.error_type if self.failure else None


@dataclass(frozen=True, slots=True)
class OutputContent:
    """What the model said, for an observer that asked for it: in no repr, no attempt, and so in no journal and no row."""

    text: str = field(default="", repr=False)
    reasoning: str | None = field(default=None, repr=False)
    tool_calls: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """As `{"id", "type", "function": {"name", "arguments"}}` with `arguments` as JSON text."""
    finish_reason: str | None = None
    """None where the answer did not say, or was cut short."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What the caller asked for, ended: exactly one span."""

    call_id: UUID
    request: CallRequest = field(repr=False)
    context: CallContext
    status: Status
    started_at: datetime
    duration_s: float
    attempts: tuple[AttemptRecord, ...]
    """In order; empty for a stream that was never started."""
    failure: Failure | None = None
    time_to_first_chunk_s: float | None = None
    """Seconds from the first request to the provider until the first text that the caller got."""
    chunk_intervals_s: tuple[float, ...] = ()
    """Seconds between successive chunks of the last attempt, for the histogram of time per output chunk."""
    output: OutputContent | None = field(default=None, repr=False)
    """The last attempt's answer, or what came of it; None without one, and unless the observation `wants_output`."""

    @property
    def last_attempt(self) -> AttemptRecord | None:
        """The attempt whose answer, or failure, the caller got."""
        return self.attempts[-1] if self.attempts else None
