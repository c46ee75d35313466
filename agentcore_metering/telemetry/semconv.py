"""Every name that this package puts into telemetry, with its unit, buckets and specification, and the registry of what is emitted.

Owns names only. What gets which value is said in `attributes`, when it is emitted in `spans` and `metrics`. Tests compare the registry
with what is emitted, with the documentation and with the dashboards. The GenAI conventions are at v0.1.0, status Development.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agentcore_metering import __version__

SCOPE_NAME = "agentcore_metering"
SCOPE_VERSION = __version__
SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai/0.1.0"
"""The release of the GenAI conventions that the names are of, as tracer, meter and logger tell it. Nothing is fetched from there."""

# Specifications ------------------------------------------------------------------------------------------------------
_GENAI = "https://github.com/open-telemetry/semantic-conventions-genai"
INFERENCE_SPEC = f"{_GENAI}/blob/v0.1.0/docs/gen-ai/client-inference.md"
CONTENT_SPEC = f"{_GENAI}/blob/v0.1.0/docs/gen-ai/non-normative/models.py"
EMBEDDINGS_SPEC = f"{_GENAI}/blob/v0.1.0/docs/gen-ai/client-embeddings.md"
TOKEN_SPEC = f"{_GENAI}/blob/v0.1.0/docs/gen-ai/gen-ai-token-metrics.md"
OPENAI_SPEC = f"{_GENAI}/blob/v0.1.0/docs/gen-ai/openai.md"
COST_DRAFT = f"{_GENAI}/pull/443"
COST_USE = f"{_GENAI}/issues/287"
LEGACY_SPEC = "https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai"
ERROR_SPEC = "https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/"
EXCEPTION_SPEC = "https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/"
USER_SPEC = "https://opentelemetry.io/docs/specs/semconv/registry/attributes/user/"

# Attributes of spans and metrics: INFERENCE_SPEC, EMBEDDINGS_SPEC ----------------------------------------------------
OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"

# Attributes of the request: INFERENCE_SPEC, EMBEDDINGS_SPEC ----------------------------------------------------------
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_TOP_K = "gen_ai.request.top_k"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences"
REQUEST_SEED = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT = "gen_ai.request.choice.count"
REQUEST_REASONING_LEVEL = "gen_ai.request.reasoning.level"
REQUEST_ENCODING_FORMATS = "gen_ai.request.encoding_formats"
EMBEDDINGS_DIMENSION_COUNT = "gen_ai.embeddings.dimension.count"
OUTPUT_TYPE = "gen_ai.output.type"
OUTPUT_TYPE_JSON = "json"
OUTPUT_TYPE_TEXT = "text"

# Attributes of the response: INFERENCE_SPEC, OPENAI_SPEC -------------------------------------------------------------
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
OPENAI_RESPONSE_SERVICE_TIER = "openai.response.service_tier"
FINISH_REASON_ERROR = "error"
PROVIDER_OPENAI = "openai"

# Attributes of the usage: INFERENCE_SPEC; input includes the cached tokens, output the reasoning ---------------------
USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_INPUT_TOKENS = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING_OUTPUT_TOKENS = "gen_ai.usage.reasoning.output_tokens"
USAGE_CACHE_CREATION_INPUT_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
"""What v1.41 calls `cache_write`; backends still read it by this name."""

# Attributes of the cost: COST_DRAFT ----------------------------------------------------------------------------------
COST_AMOUNT = "gen_ai.usage.cost.amount"
COST_CURRENCY = "gen_ai.usage.cost.currency"
COST_SOURCE = "gen_ai.usage.cost.source"
COST_SOURCE_PROVIDER = "provider"
COST_SOURCE_LOCAL = "local"

# Names for the cost that are in use elsewhere, without a currency ------------------------------------------------------
COST_ALIAS = "gen_ai.usage.cost"
"""Both an attribute of spans and a histogram."""
OPERATION_COST = "operation.cost"
COST_ALIAS_CURRENCY = "USD"

# Errors and the caller: ERROR_SPEC, EXCEPTION_SPEC, USER_SPEC, INFERENCE_SPEC --------------------------------------------------------
ERROR_TYPE = "error.type"
ERROR_TYPE_OTHER = "_OTHER"
EXCEPTION_EVENT = "exception"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
USER_ID = "user.id"
CONVERSATION_ID = "gen_ai.conversation.id"

# Attributes of metrics only: TOKEN_SPEC, LEGACY_SPEC -----------------------------------------------------------------
TOKENS_MODALITY = "gen_ai.token.modality"
TOKENS_MODALITY_UNKNOWN = "unknown"
MODEL_OTHER = "other"
"""Stands on metrics for every model beyond the bound on their number."""
LEGACY_TOKENS_TYPE = "gen_ai.token.type"
LEGACY_TOKENS_TYPE_INPUT = "input"
LEGACY_TOKENS_TYPE_OUTPUT = "output"

# Message contents, off by default: INFERENCE_SPEC, CONTENT_SPEC -------------------------------------------------------
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
CONTENT_EVENT = "gen_ai.client.inference.operation.details"
CAPTURE_CONTENT_ENV = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CONTENT_TRUNCATED = "agentcore_metering.content.truncated"

# Our own attributes --------------------------------------------------------------------------------------------------
CALL_ID = "agentcore_metering.call.id"
USAGE_ID = "agentcore_metering.usage.id"
ATTEMPTS_COUNT = "agentcore_metering.attempts"
STATUS = "agentcore_metering.status"
OUTCOME = "agentcore_metering.outcome"
LITELLM_MODEL = "agentcore_metering.litellm.model"
NODE = "agentcore_metering.node"
CONFIG_SCOPE = "agentcore_metering.config.scope"
USAGE_SOURCE = "agentcore_metering.usage.source"
COST_STATUS = "agentcore_metering.cost.status"
EXACT_COST_AMOUNT = "agentcore_metering.cost.amount"
EXACT_COST_CURRENCY = "agentcore_metering.cost.currency"
EXACT_COST_AMOUNTS = "agentcore_metering.cost.amounts"
PRICE_VERSION = "agentcore_metering.price.version"
RETRY_EVENT = "agentcore_metering.retry"
RETRY_ATTEMPT = "agentcore_metering.retry.attempt"
RETRY_DELAY = "agentcore_metering.retry.delay"
FAILURE_REASON = "agentcore_metering.failure.reason"
CONTAINED_PART = "agentcore_metering.part"

# Switches that others read or write ----------------------------------------------------------------------------------
STABILITY_OPT_IN_ENV = "OTEL_SEMCONV_STABILITY_OPT_IN"
STABILITY_OPT_IN_DUP = "gen_ai/dup"
TRACEPARENT = "traceparent"
OPENLLMETRY_SUPPRESSION_KEY = "suppress_language_model_instrumentation"
UTIL_GENAI_MODULE = "opentelemetry.util.genai.invocation"
UTIL_GENAI_INFERENCE = (("CLIENT_INFERENCE_CONTEXT_KEY",), "InferenceData")
UTIL_GENAI_EMBEDDINGS = (("CLIENT_EMBEDDING_CONTEXT_KEY", "EMBEDDING_CONTEXT_KEY"), "EmbeddingData")
"""Names in `UTIL_GENAI_MODULE` of a context key, by release, and of the class whose instance silences under that key."""

# Metric names: INFERENCE_SPEC, TOKEN_SPEC, EMBEDDINGS_SPEC -----------------------------------------------------------
INFERENCE_DURATION = "gen_ai.client.inference.duration"
INFERENCE_TIME_TO_FIRST_CHUNK = "gen_ai.client.inference.time_to_first_chunk"
INFERENCE_TIME_PER_OUTPUT_CHUNK = "gen_ai.client.inference.time_per_output_chunk"
INFERENCE_INPUT_TOKENS = "gen_ai.client.inference.usage.input_tokens"
INFERENCE_OUTPUT_TOKENS = "gen_ai.client.inference.usage.output_tokens"
INFERENCE_CACHE_READ_INPUT_TOKENS = "gen_ai.client.inference.usage.cache_read.input_tokens"
INFERENCE_CACHE_WRITE_INPUT_TOKENS = "gen_ai.client.inference.usage.cache_write.input_tokens"
INFERENCE_REASONING_OUTPUT_TOKENS = "gen_ai.client.inference.usage.reasoning.output_tokens"
INFERENCE_OPERATION_INPUT_TOKENS = "gen_ai.client.inference.operation.input_tokens"
INFERENCE_OPERATION_OUTPUT_TOKENS = "gen_ai.client.inference.operation.output_tokens"
EMBEDDINGS_DURATION = "gen_ai.client.embeddings.duration"
EMBEDDINGS_OPERATION_INPUT_TOKENS = "gen_ai.client.embeddings.operation.input_tokens"

# Our own metric names ------------------------------------------------------------------------------------------------
COST = "agentcore_metering.cost"
CALLS = "agentcore_metering.calls"
ATTEMPTS = "agentcore_metering.attempts"
RETRIES = "agentcore_metering.retries"
PENDING_MEASUREMENTS = "agentcore_metering.measurements.pending"
"""Made for its callback alone, by which readers ask for what is pending: it never has a value."""
SPOOL_RECORDS = "agentcore_metering.spool.records"
SPOOL_SIZE = "agentcore_metering.spool.size"
SPOOL_OLDEST_AGE = "agentcore_metering.spool.oldest_age"
SPOOL_WRITTEN = "agentcore_metering.spool.written"
SPOOL_REPAIRED = "agentcore_metering.spool.repaired"
SPOOL_QUARANTINED = "agentcore_metering.spool.quarantined"
SPOOL_DROPPED = "agentcore_metering.spool.dropped"
SPOOL_INTERRUPTED = "agentcore_metering.spool.interrupted"
PERSIST_FAILURES = "agentcore_metering.persist.failures"
CONTAINED_ERRORS = "agentcore_metering.contained.errors"

# Metric names of v1.41: LEGACY_SPEC ----------------------------------------------------------------------------------
LEGACY_TOKENS_USAGE = "gen_ai.client.token.usage"
LEGACY_DURATION = "gen_ai.client.operation.duration"
LEGACY_TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
LEGACY_TIME_PER_OUTPUT_CHUNK = "gen_ai.client.operation.time_per_output_chunk"

# Units (UCUM) and buckets: INFERENCE_SPEC, TOKEN_SPEC ----------------------------------------------------------------
SECONDS = "s"
TOKENS = "{token}"
CURRENCY = "{currency}"
CALL_UNIT = "{call}"
ATTEMPT_UNIT = "{attempt}"
RETRY_UNIT = "{retry}"
RECORD_UNIT = "{record}"
FAILURE_UNIT = "{failure}"
ERROR_UNIT = "{error}"
BYTES = "By"
DOLLARS = "USD"
SECONDS_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS_BUCKETS = tuple(float(4**exponent) for exponent in range(14))
"""1, 4, 16, ... 67108864."""
DOLLARS_BUCKETS = tuple(float(f"{digit}e{exponent}") for exponent in range(-6, 2) for digit in (1, 2, 5))
"""0.000001, 0.000002, 0.000005, 0.00001, ... 50."""

# Attribute sets of metrics: bounded, so no user, node or metadata ----------------------------------------------------
BASE = (OPERATION_NAME, PROVIDER_NAME, REQUEST_MODEL, RESPONSE_MODEL, SERVER_ADDRESS, SERVER_PORT)
_WITH_ERROR = (*BASE, ERROR_TYPE)
_WITH_MODALITY = (*BASE, TOKENS_MODALITY)
_WITH_OUTCOME = (*BASE, OUTCOME, COST_STATUS, ERROR_TYPE)


class InstrumentKind(StrEnum):
    """The kinds of instrument in use."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    OBSERVED_GAUGE = "observable gauge"
    OBSERVED_COUNTER = "observable counter"


class ValueType(StrEnum):
    """The attribute value types in use, as the specification spells them."""

    STRING = "string"
    INT = "int"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    STRINGS = "string[]"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric that is emitted."""

    name: str
    kind: InstrumentKind
    unit: str
    description: str
    attributes: tuple[str, ...]
    """Every attribute that a data point may carry; no other one is ever on it."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, advised to the SDK; empty for a counter."""
    spec: str | None = None
    """Where it is defined; None for our own."""


@dataclass(frozen=True, slots=True)
class SpanAttribute:
    """One attribute that a span may carry."""

    name: str
    type: ValueType
    when: str
    spec: str | None = None
    """Where it is defined; None for our own."""


def _counter(
    name: str, unit: str, description: str, attributes: tuple[str, ...], spec: str | None = None
) -> Instrument:
    return Instrument(name, InstrumentKind.COUNTER, unit, description, attributes, spec=spec)


def _gauge(name: str, unit: str, description: str) -> Instrument:
    return Instrument(name, InstrumentKind.OBSERVED_GAUGE, unit, description, ())


def _observed(name: str, unit: str, description: str, *attributes: str) -> Instrument:
    return Instrument(name, InstrumentKind.OBSERVED_COUNTER, unit, description, attributes)


def _seconds(name: str, description: str, attributes: tuple[str, ...], spec: str) -> Instrument:
    return Instrument(name, InstrumentKind.HISTOGRAM, SECONDS, description, attributes, SECONDS_BUCKETS, spec)


def _tokens(name: str, description: str, attributes: tuple[str, ...], spec: str) -> Instrument:
    return Instrument(name, InstrumentKind.HISTOGRAM, TOKENS, description, attributes, TOKENS_BUCKETS, spec)


INSTRUMENTS: tuple[Instrument, ...] = (
    _counter(INFERENCE_INPUT_TOKENS, TOKENS, "Input tokens, cached ones included.", _WITH_MODALITY, TOKEN_SPEC),
    _counter(INFERENCE_OUTPUT_TOKENS, TOKENS, "Output tokens, reasoning included.", _WITH_MODALITY, TOKEN_SPEC),
    _counter(INFERENCE_CACHE_READ_INPUT_TOKENS, TOKENS, "Input tokens read from a cache.", _WITH_MODALITY, TOKEN_SPEC),
    _counter(
        INFERENCE_CACHE_WRITE_INPUT_TOKENS, TOKENS, "Input tokens written to a cache.", _WITH_MODALITY, TOKEN_SPEC
    ),
    _counter(
        INFERENCE_REASONING_OUTPUT_TOKENS, TOKENS, "Output tokens spent on reasoning.", _WITH_MODALITY, TOKEN_SPEC
    ),
    _tokens(INFERENCE_OPERATION_INPUT_TOKENS, "Input tokens of one call, all attempts.", _WITH_ERROR, TOKEN_SPEC),
    _tokens(INFERENCE_OPERATION_OUTPUT_TOKENS, "Output tokens of one call, all attempts.", _WITH_ERROR, TOKEN_SPEC),
    _seconds(INFERENCE_DURATION, "Duration of one call, all attempts.", _WITH_ERROR, INFERENCE_SPEC),
    _seconds(
        INFERENCE_TIME_TO_FIRST_CHUNK, "Time from a streaming call's start to its first text.", BASE, INFERENCE_SPEC
    ),
    _seconds(INFERENCE_TIME_PER_OUTPUT_CHUNK, "Time between successive chunks of a stream.", BASE, INFERENCE_SPEC),
    _seconds(EMBEDDINGS_DURATION, "Duration of one embeddings call, all attempts.", _WITH_ERROR, EMBEDDINGS_SPEC),
    _tokens(
        EMBEDDINGS_OPERATION_INPUT_TOKENS, "Input tokens of one embeddings call, all attempts.", BASE, EMBEDDINGS_SPEC
    ),
    _counter(COST, CURRENCY, "Cost of the attempts that have one, by currency.", (*BASE, COST_CURRENCY, COST_SOURCE)),
    _counter(CALLS, CALL_UNIT, "Calls that ended, by outcome.", _WITH_OUTCOME),
    _counter(
        ATTEMPTS, ATTEMPT_UNIT, "Requests to a provider that ended, by outcome: one for each usage row.", _WITH_OUTCOME
    ),
    _counter(RETRIES, RETRY_UNIT, "Attempts that another attempt of the same call followed.", _WITH_ERROR),
)

LEGACY_INSTRUMENTS: tuple[Instrument, ...] = (
    _tokens(LEGACY_TOKENS_USAGE, "Input or output tokens of one call.", (*BASE, LEGACY_TOKENS_TYPE), LEGACY_SPEC),
    _seconds(LEGACY_DURATION, "Duration of one call.", _WITH_ERROR, LEGACY_SPEC),
    _seconds(LEGACY_TIME_TO_FIRST_CHUNK, "Time from a streaming call's start to its first text.", BASE, LEGACY_SPEC),
    _seconds(LEGACY_TIME_PER_OUTPUT_CHUNK, "Time between successive chunks of a stream.", BASE, LEGACY_SPEC),
)
"""The names of v1.41, emitted besides the others when `STABILITY_OPT_IN_ENV` has `STABILITY_OPT_IN_DUP`. Never add the two families."""

ALIAS_INSTRUMENTS: tuple[Instrument, ...] = (
    Instrument(
        COST_ALIAS,
        InstrumentKind.HISTOGRAM,
        DOLLARS,
        "Cost of one call in US dollars.",
        BASE,
        DOLLARS_BUCKETS,
        COST_USE,
    ),
)
"""Emitted besides the others when they are asked for: a figure that is in `COST` already."""

SIDE_CHANNEL_INSTRUMENTS: tuple[Instrument, ...] = (
    _gauge(SPOOL_RECORDS, RECORD_UNIT, "Records of this process on their way to the database."),
    _gauge(SPOOL_SIZE, BYTES, "Size of those that are in the journal."),
    _gauge(SPOOL_OLDEST_AGE, SECONDS, "Time since the oldest of them ended; 0 where there is none."),
    _observed(SPOOL_WRITTEN, RECORD_UNIT, "Records that the database took."),
    _observed(SPOOL_REPAIRED, RECORD_UNIT, "Records that it took after a repair alone."),
    _observed(SPOOL_QUARANTINED, RECORD_UNIT, "Records that it refused for good."),
    _observed(SPOOL_DROPPED, RECORD_UNIT, "Records that only the log has."),
    _observed(SPOOL_INTERRUPTED, RECORD_UNIT, "Attempts of dead processes whose end nobody knows."),
    _observed(PERSIST_FAILURES, FAILURE_UNIT, "What went wrong on the way of records that were kept.", FAILURE_REASON),
    _observed(CONTAINED_ERRORS, ERROR_UNIT, "Errors of metering itself, none of which reached a call.", CONTAINED_PART),
)
"""How rows get into the database, as seen by each process; counts are since its start, or its fork."""

SPAN_ATTRIBUTES: tuple[SpanAttribute, ...] = (
    SpanAttribute(OPERATION_NAME, ValueType.STRING, "always", INFERENCE_SPEC),
    SpanAttribute(PROVIDER_NAME, ValueType.STRING, "always", INFERENCE_SPEC),
    SpanAttribute(REQUEST_MODEL, ValueType.STRING, "always", INFERENCE_SPEC),
    SpanAttribute(SERVER_ADDRESS, ValueType.STRING, "the endpoint's host is known", INFERENCE_SPEC),
    SpanAttribute(SERVER_PORT, ValueType.INT, "the endpoint's host and port are known", INFERENCE_SPEC),
    SpanAttribute(REQUEST_STREAM, ValueType.BOOLEAN, "streaming", INFERENCE_SPEC),
    SpanAttribute(REQUEST_TEMPERATURE, ValueType.DOUBLE, "in the request", INFERENCE_SPEC),
    SpanAttribute(REQUEST_TOP_P, ValueType.DOUBLE, "in the request", INFERENCE_SPEC),
    SpanAttribute(REQUEST_TOP_K, ValueType.INT, "in the request", INFERENCE_SPEC),
    SpanAttribute(REQUEST_MAX_TOKENS, ValueType.INT, "in the request", INFERENCE_SPEC),
    SpanAttribute(REQUEST_FREQUENCY_PENALTY, ValueType.DOUBLE, "in the request", INFERENCE_SPEC),
    SpanAttribute(REQUEST_PRESENCE_PENALTY, ValueType.DOUBLE, "in the request", INFERENCE_SPEC),
    SpanAttribute(REQUEST_STOP_SEQUENCES, ValueType.STRINGS, "in the request", INFERENCE_SPEC),
    SpanAttribute(REQUEST_SEED, ValueType.INT, "in the request", INFERENCE_SPEC),
    SpanAttribute(REQUEST_CHOICE_COUNT, ValueType.INT, "in the request and not 1", INFERENCE_SPEC),
    SpanAttribute(REQUEST_REASONING_LEVEL, ValueType.STRING, "in the request", INFERENCE_SPEC),
    SpanAttribute(REQUEST_ENCODING_FORMATS, ValueType.STRINGS, "in the request (embeddings)", EMBEDDINGS_SPEC),
    SpanAttribute(EMBEDDINGS_DIMENSION_COUNT, ValueType.INT, "in the request (embeddings)", EMBEDDINGS_SPEC),
    SpanAttribute(OUTPUT_TYPE, ValueType.STRING, "the request asks for a format", INFERENCE_SPEC),
    SpanAttribute(RESPONSE_ID, ValueType.STRING, "the last attempt was answered", INFERENCE_SPEC),
    SpanAttribute(RESPONSE_MODEL, ValueType.STRING, "the last attempt was answered", INFERENCE_SPEC),
    SpanAttribute(
        RESPONSE_FINISH_REASONS, ValueType.STRINGS, "the last attempt was answered, if only in part", INFERENCE_SPEC
    ),
    SpanAttribute(RESPONSE_TIME_TO_FIRST_CHUNK, ValueType.DOUBLE, "streaming, and text came", INFERENCE_SPEC),
    SpanAttribute(OPENAI_RESPONSE_SERVICE_TIER, ValueType.STRING, "OpenAI, and in the answer", OPENAI_SPEC),
    SpanAttribute(USAGE_INPUT_TOKENS, ValueType.INT, "known for an attempt; the sum", INFERENCE_SPEC),
    SpanAttribute(USAGE_OUTPUT_TOKENS, ValueType.INT, "known for an attempt; the sum; not embeddings", INFERENCE_SPEC),
    SpanAttribute(
        USAGE_CACHE_READ_INPUT_TOKENS, ValueType.INT, "known for an attempt; the sum; not embeddings", INFERENCE_SPEC
    ),
    SpanAttribute(
        USAGE_CACHE_WRITE_INPUT_TOKENS, ValueType.INT, "known for an attempt; the sum; not embeddings", INFERENCE_SPEC
    ),
    SpanAttribute(USAGE_CACHE_CREATION_INPUT_TOKENS, ValueType.INT, "with cache_write, the same value", LEGACY_SPEC),
    SpanAttribute(
        USAGE_REASONING_OUTPUT_TOKENS, ValueType.INT, "known for an attempt; the sum; not embeddings", INFERENCE_SPEC
    ),
    SpanAttribute(COST_AMOUNT, ValueType.DOUBLE, "known for an attempt, in one currency; the sum", COST_DRAFT),
    SpanAttribute(COST_CURRENCY, ValueType.STRING, "with the amount", COST_DRAFT),
    SpanAttribute(
        COST_SOURCE, ValueType.STRING, "with the amount; provider when every part is the provider's", COST_DRAFT
    ),
    SpanAttribute(ERROR_TYPE, ValueType.STRING, "failed", ERROR_SPEC),
    SpanAttribute(USER_ID, ValueType.STRING, "the call belongs to a user", USER_SPEC),
    SpanAttribute(CONVERSATION_ID, ValueType.STRING, "the caller named its conversation", INFERENCE_SPEC),
    SpanAttribute(CALL_ID, ValueType.STRING, "always; all rows of the call have it"),
    SpanAttribute(USAGE_ID, ValueType.STRING, "an attempt was made; the last one's row"),
    SpanAttribute(ATTEMPTS_COUNT, ValueType.INT, "always"),
    SpanAttribute(STATUS, ValueType.STRING, "always"),
    SpanAttribute(LITELLM_MODEL, ValueType.STRING, "always; the last attempt's"),
    SpanAttribute(NODE, ValueType.STRING, "the caller named its step"),
    SpanAttribute(CONFIG_SCOPE, ValueType.STRING, "a configuration was used; the last attempt's"),
    SpanAttribute(USAGE_SOURCE, ValueType.STRING, "always"),
    SpanAttribute(COST_STATUS, ValueType.STRING, "always"),
    SpanAttribute(EXACT_COST_AMOUNT, ValueType.STRING, "with the amount; the exact decimal"),
    SpanAttribute(EXACT_COST_CURRENCY, ValueType.STRING, "with the amount"),
    SpanAttribute(EXACT_COST_AMOUNTS, ValueType.STRINGS, "attempts have several currencies; for example `0.0012 USD`"),
    SpanAttribute(PRICE_VERSION, ValueType.STRING, "a price was applied; the last one's"),
)

COST_ALIAS_ATTRIBUTES: tuple[SpanAttribute, ...] = (
    SpanAttribute(COST_ALIAS, ValueType.DOUBLE, "the convention is `gen_ai.usage.cost`; US dollars only", COST_USE),
    SpanAttribute(OPERATION_COST, ValueType.DOUBLE, "the convention is `operation.cost`; US dollars only", COST_USE),
)
"""What a span carries in place of the three attributes of `COST_DRAFT` when another convention is asked for."""

CONTENT_ATTRIBUTES: tuple[SpanAttribute, ...] = (
    SpanAttribute(SYSTEM_INSTRUCTIONS, ValueType.STRING, "the messages begin with instructions", CONTENT_SPEC),
    SpanAttribute(INPUT_MESSAGES, ValueType.STRING, "there are other messages", CONTENT_SPEC),
    SpanAttribute(OUTPUT_MESSAGES, ValueType.STRING, "the last attempt was answered, if only in part", CONTENT_SPEC),
    SpanAttribute(CONTENT_TRUNCATED, ValueType.BOOLEAN, "something was left out for its size"),
)
"""What a span carries besides when contents are captured on spans: JSON text each, but for the last."""
