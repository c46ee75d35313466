"""Everything that this package raises, as one tree. A provider's own exception is not in it: it passes through.

MeteringError
 +-- RequestError            (ValueError)  the call's arguments cannot be sent
 +-- InvalidField            (ValueError)  a value that came from outside cannot be accepted; names its field
 +-- ConfigError             (ValueError)  a configuration cannot be used
 |    +-- ConfigNotFound                   no configuration where one was looked for
 |    +-- SecretUnavailable                its secret cannot be decrypted
 |    +-- EndpointRefused                  it leads to a host that calls may not go to
 +-- UnusableAnswer          (ValueError)  the provider answered, and billed, but not usably
 |    +-- EmptyResponse                    no text and no tool call
 |    +-- InvalidJSON                      not a JSON object, after every attempt
 +-- MissingExtra            (ImportError) an optional dependency is not installed
 +-- LLMProviderError                      the opt-in translation of a provider's exception

Each class has a stable `code`. The ValueError bases are what existing projects catch. What an error says is English; its `text` is what an
adapter can say in a reader's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from agentcore_metering.core.texts import Text

__all__ = [
    "ConfigError",
    "ConfigNotFound",
    "EmptyResponse",
    "EndpointRefused",
    "InvalidField",
    "InvalidJSON",
    "LLMProviderError",
    "MeteringError",
    "MissingExtra",
    "RequestError",
    "SecretUnavailable",
    "UnusableAnswer",
]


class MeteringError(Exception):
    """Root of what this package raises."""

    code: ClassVar[str] = "metering_error"

    def __init__(self, message: str | Text = "") -> None:
        super().__init__(str(message))
        self.text = message if isinstance(message, Text) else Text(message)
        """What it says, to be translated."""


class RequestError(MeteringError, ValueError):
    """The call's arguments cannot be sent."""

    code = "invalid_request"


class InvalidField(MeteringError, ValueError):
    """A value from outside, such as a query parameter or a part of a request's body, cannot be accepted."""

    code = "invalid_field"

    def __init__(self, field: str, message: str | Text, params: Mapping[str, object] | None = None) -> None:
        super().__init__(message if isinstance(message, Text) else Text(message, params))
        self.field = field
        """Where the value stood; a dot leads into an object, as in `config.api_key`."""


class ConfigError(MeteringError, ValueError):
    """A configuration cannot be used: a key is missing or has an impossible value."""

    code = "config_invalid"


class ConfigNotFound(ConfigError):
    """No configuration in the places that were looked at."""

    code = "config_not_found"


class SecretUnavailable(ConfigError):
    """A stored secret cannot be decrypted with the keys at hand, or belongs to another row."""

    code = "secret_unavailable"


class EndpointRefused(ConfigError):
    """A stored configuration leads to a host that is not public, and that the host project has not listed."""

    code = "endpoint_refused"


class UnusableAnswer(MeteringError, ValueError):
    """The provider answered, and may have billed, but the answer is of no use to the caller."""

    code = "unusable_answer"


class EmptyResponse(UnusableAnswer):
    """Neither text nor a tool call."""

    code = "empty_response"


class InvalidJSON(UnusableAnswer):
    """JSON mode was asked for and the text is not, and could not be repaired into, a JSON object."""

    code = "invalid_json"


class MissingExtra(MeteringError, ImportError):
    """What was asked for needs an optional dependency that is not installed."""

    code = "missing_extra"


class LLMProviderError(MeteringError):
    """A provider's exception in words for an end user; the original is its `__cause__`."""

    code = "llm_provider_error"

    def __init__(self, error_key: str, message: str) -> None:
        super().__init__(message)
        self.error_key = error_key
        """A stable key such as `rate_limit`; see `FailureKind`."""
