"""Exception -> `Failure`: what went wrong, whether to try again, and a text without secrets.

One table serves retries, `error.type` and the words for end users. Classes are told by name and status code, never by the words of
a message: LiteLLM, the SDKs under it and HTTP clients each have their own class of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from agentcore_metering.core.errors import EmptyResponse, InvalidJSON
from agentcore_metering.core.masking import redact
from agentcore_metering.core.payload import read
from agentcore_metering.core.types import Failure, FailureKind

__all__ = ["classify", "never_reached_a_server"]

_BY_CLASS_NAME: dict[str, FailureKind] = {
    "AuthenticationError": FailureKind.INVALID_API_KEY,
    "PermissionDeniedError": FailureKind.PERMISSION_DENIED,
    "NotFoundError": FailureKind.NOT_FOUND,
    "RateLimitError": FailureKind.RATE_LIMIT,
    "Timeout": FailureKind.TIMEOUT,
    "TimeoutError": FailureKind.TIMEOUT,
    "APITimeoutError": FailureKind.TIMEOUT,
    "ReadTimeout": FailureKind.TIMEOUT,
    "ConnectTimeout": FailureKind.TIMEOUT,
    "APIConnectionError": FailureKind.NETWORK_ERROR,
    "ConnectError": FailureKind.NETWORK_ERROR,
    "ReadError": FailureKind.NETWORK_ERROR,
    "RemoteProtocolError": FailureKind.NETWORK_ERROR,
    "ConnectionError": FailureKind.NETWORK_ERROR,
    "ConnectionResetError": FailureKind.NETWORK_ERROR,
    "MidStreamFallbackError": FailureKind.NETWORK_ERROR,
    "BadRequestError": FailureKind.BAD_REQUEST,
    "UnprocessableEntityError": FailureKind.BAD_REQUEST,
    "ContentPolicyViolationError": FailureKind.CONTENT_POLICY,
    "InternalServerError": FailureKind.UPSTREAM_ERROR,
    "ServiceUnavailableError": FailureKind.UPSTREAM_ERROR,
    "BadGatewayError": FailureKind.UPSTREAM_ERROR,
    "ClientAuthenticationError": FailureKind.AUTH_FAILED,
    "CredentialRetrievalError": FailureKind.AUTH_FAILED,
    "CredentialUnavailableError": FailureKind.AUTH_FAILED,
    "DefaultCredentialsError": FailureKind.AUTH_FAILED,
    "NoCredentialsError": FailureKind.AUTH_FAILED,
    "RefreshError": FailureKind.AUTH_FAILED,
}
"""The last ones are of the cloud vendors' credential libraries."""

_BY_CODE: dict[str, FailureKind] = {
    "billing_hard_limit_reached": FailureKind.INSUFFICIENT_BALANCE,
    "content_filter": FailureKind.CONTENT_POLICY,
    "content_policy_violation": FailureKind.CONTENT_POLICY,
    "insufficient_balance": FailureKind.INSUFFICIENT_BALANCE,
    "insufficient_quota": FailureKind.INSUFFICIENT_BALANCE,
    "unsupported_country_region_territory": FailureKind.REGION_RESTRICTED,
}
"""Codes in the provider's error object: they say more than the status, which is 429 or 403 for these."""

_BY_STATUS: dict[int, FailureKind] = {
    401: FailureKind.INVALID_API_KEY,
    402: FailureKind.INSUFFICIENT_BALANCE,
    403: FailureKind.PERMISSION_DENIED,
    404: FailureKind.NOT_FOUND,
    407: FailureKind.AUTH_FAILED,
    408: FailureKind.TIMEOUT,
    429: FailureKind.RATE_LIMIT,
    451: FailureKind.REGION_RESTRICTED,
}

_PERMANENT = frozenset(
    {
        "AuthenticationError",
        "BadRequestError",
        "ContentPolicyViolationError",
        "NotFoundError",
        "PermissionDeniedError",
        "UnprocessableEntityError",
        "ValidationError",
    }
)
_TRANSIENT_KINDS = frozenset(
    {FailureKind.TIMEOUT, FailureKind.NETWORK_ERROR, FailureKind.RATE_LIMIT, FailureKind.UPSTREAM_ERROR}
)


def classify(exc: BaseException, secrets: Iterable[str] = (), now: datetime | None = None) -> Failure:
    """What `exc` means. Its text is redacted of `secrets` and of anything shaped like a key, and bounded.

    `now` turns a Retry-After date into seconds; without it only a number of seconds is understood.
    """
    exc = _unwrapped(exc)
    kind = _kind(exc)
    return Failure(
        kind=kind,
        error_type=_error_type(exc),
        message=redact(_text(exc), secrets),
        is_retryable=_is_retryable(exc, kind),
        retry_after_s=_retry_after_s(exc, now),
    )


def never_reached_a_server(exc: BaseException) -> bool:
    """Whether `exc` says that a server failed where none was reached, which its chain alone can tell."""
    return _BY_CLASS_NAME.get(type(exc).__name__) is FailureKind.UPSTREAM_ERROR and _was_not_answered(exc)


def _kind(exc: BaseException) -> FailureKind:
    if isinstance(exc, EmptyResponse):
        return FailureKind.EMPTY_RESPONSE
    if isinstance(exc, InvalidJSON):
        return FailureKind.INVALID_JSON
    for error in _chain(exc, with_context=True):
        kind = _BY_CODE.get(_provider_code(error))
        if kind is not None:
            return kind
    for error in _chain(exc):
        status = _status_code(error)
        # A telling status wins: LiteLLM wraps some providers' 403 in a BadRequestError.
        kind = _BY_STATUS.get(status or 0) or _BY_CLASS_NAME.get(type(error).__name__)
        if kind is None and status is not None:
            kind = FailureKind.UPSTREAM_ERROR if status >= 500 else FailureKind.BAD_REQUEST
        if kind is FailureKind.UPSTREAM_ERROR and _was_not_answered(exc):
            return FailureKind.NETWORK_ERROR
        if kind is not None:
            return kind
    return FailureKind.UNKNOWN


def _was_not_answered(exc: BaseException) -> bool:
    """Whether the connection failed: LiteLLM turns a refused one into a server's error with a status that no server gave."""
    return any(
        _BY_CLASS_NAME.get(type(error).__name__) is FailureKind.NETWORK_ERROR
        for error in _chain(exc, with_context=True)
    )


def _text(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception:  # noqa: BLE001 - a provider's exception without a text must not cost the call its own
        return type(exc).__name__


def _error_type(exc: BaseException) -> str:
    code = getattr(exc, "code", None) if isinstance(exc, (EmptyResponse, InvalidJSON)) else None
    return code or type(exc).__name__


def _is_retryable(exc: BaseException, kind: FailureKind) -> bool:
    if not isinstance(exc, Exception) or type(exc).__name__ in _PERMANENT:
        return False
    status = _status_code(exc)
    if status is not None:
        return status in (408, 429) or status >= 500
    return kind in _TRANSIENT_KINDS


def _unwrapped(exc: BaseException) -> BaseException:
    """The error inside LiteLLM's wrapper for streams, which hides a rate limit that came before the first chunk."""
    inner = getattr(exc, "original_exception", None)
    return inner if isinstance(inner, BaseException) else exc


def _chain(exc: BaseException, *, with_context: bool = False) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (current.__context__ if with_context else None)


def _status_code(exc: BaseException) -> int | None:
    for value in (getattr(exc, "status_code", None), read(getattr(exc, "response", None), "status_code")):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _provider_code(exc: BaseException) -> str:
    """The `code` of the provider's error object, or "" where there is none."""
    body = getattr(exc, "body", None)
    inner = read(body, "error")
    codes = (getattr(exc, "code", None), read(body, "code"), read(inner, "code"))
    return next((code for code in codes if isinstance(code, str)), "")


def _retry_after_s(exc: BaseException, now: datetime | None) -> float | None:
    """Seconds that the provider asks to wait, by RFC 9110 section 10.2.3: a number, or a date."""
    text = _header(exc, "retry-after")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at - now).total_seconds()) if now is not None and at.tzinfo is not None else None


def _header(exc: BaseException, name: str) -> str | None:
    """The header of the answer that `exc` came of; of some functions only the innermost exception still has it."""
    for error in _chain(exc, with_context=True):
        sources: tuple[Any, ...] = (
            getattr(error, "headers", None),
            getattr(error, "litellm_response_headers", None),
            read(getattr(error, "response", None), "headers"),
        )
        for headers in sources:
            value = headers.get(name) if hasattr(headers, "get") else None
            if value is not None:
                return str(value)
    return None
