"""The closed sets of words that the values of a call are made of; the values themselves are `types`, which has these names too.

Apart from them, because a database's models and admin speak these words in processes that never make a call.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "ConfigScope",
    "CostSource",
    "CostStatus",
    "FailureKind",
    "Operation",
    "Status",
    "TokenClass",
    "UsageSource",
]


class Operation(StrEnum):
    """`gen_ai.operation.name` of the GenAI semantic conventions."""

    CHAT = "chat"
    TEXT_COMPLETION = "text_completion"
    EMBEDDINGS = "embeddings"
    GENERATE_CONTENT = "generate_content"
    RERANK = "rerank"
    """Our own value: the conventions have none for it."""
    DECISIONS = "decisions"
    """Our own value, as well."""


class Status(StrEnum):
    """How an attempt or a call ended. `INTERRUPTED`: its process died before it could say."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class UsageSource(StrEnum):
    """Who counted the tokens: the provider, we (marked as an estimate), or nobody."""

    PROVIDER = "provider"
    ESTIMATED = "estimated"
    NONE = "none"


class CostSource(StrEnum):
    """Whose figure the cost is: the provider's own, an operator's price, or LiteLLM's bundled price map."""

    PROVIDER = "provider"
    OPERATOR = "operator"
    PRICE_MAP = "price_map"


class CostStatus(StrEnum):
    """What is known of the cost. `FREE` is a known zero; `UNPRICED` is tokens without a price; `NO_USAGE` is nothing to price."""

    PRICED = "priced"
    FREE = "free"
    UNPRICED = "unpriced"
    NO_USAGE = "no_usage"


class ConfigScope(StrEnum):
    """Where a configuration was found."""

    USER = "user"
    GLOBAL = "global"
    SETTINGS = "settings"


class TokenClass(StrEnum):
    """The disjoint classes that a price has a unit price for; together they are all tokens of a call."""

    INPUT = "input"
    """Input tokens of no other class: text, neither read from nor written to a cache."""
    INPUT_AUDIO = "input_audio"
    INPUT_IMAGE = "input_image"
    INPUT_VIDEO = "input_video"
    CACHE_READ = "cache_read"
    CACHE_READ_AUDIO = "cache_read_audio"
    CACHE_READ_IMAGE = "cache_read_image"
    CACHE_WRITE = "cache_write"
    """Written to a cache for five minutes, or for however long a provider with one duration keeps it."""
    CACHE_WRITE_1H = "cache_write_1h"
    OUTPUT = "output"
    """Output tokens of no other class."""
    OUTPUT_AUDIO = "output_audio"
    OUTPUT_IMAGE = "output_image"
    OUTPUT_VIDEO = "output_video"
    REASONING = "reasoning"


class FailureKind(StrEnum):
    """What went wrong, as a caller would say it. The first nine are the reference's `error_key` values."""

    INSUFFICIENT_BALANCE = "insufficient_balance"
    INVALID_API_KEY = "invalid_api_key"
    AUTH_FAILED = "auth_failed"
    RATE_LIMIT = "rate_limit"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    NETWORK_ERROR = "network_error"
    PERMISSION_DENIED = "permission_denied"
    REGION_RESTRICTED = "region_restricted"
    BAD_REQUEST = "bad_request"
    CONTENT_POLICY = "content_policy"
    UPSTREAM_ERROR = "upstream_error"
    EMPTY_RESPONSE = "empty_response"
    INVALID_JSON = "invalid_json"
    UNKNOWN = "unknown"
