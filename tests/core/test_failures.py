"""Exceptions told apart by class and status."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from agentcore_metering.core.errors import EmptyResponse, InvalidJSON
from agentcore_metering.core.failures import classify
from agentcore_metering.core.scrubbing import scrub_exception
from agentcore_metering.core.types import FailureKind
from tests.fakes import provider_error

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("exc", "kind", "is_retryable"),
    [
        (provider_error("AuthenticationError", 401), FailureKind.INVALID_API_KEY, False),
        (provider_error("RateLimitError", 429), FailureKind.RATE_LIMIT, True),
        (provider_error("Timeout", 408), FailureKind.TIMEOUT, True),
        (provider_error("APIConnectionError"), FailureKind.NETWORK_ERROR, True),
        (provider_error("InternalServerError", 500), FailureKind.UPSTREAM_ERROR, True),
        (provider_error("ServiceUnavailableError", 503), FailureKind.UPSTREAM_ERROR, True),
        (provider_error("BadRequestError", 400), FailureKind.BAD_REQUEST, False),
        (provider_error("ContentPolicyViolationError", 400), FailureKind.CONTENT_POLICY, False),
        (provider_error("NotFoundError", 404), FailureKind.NOT_FOUND, False),
        (provider_error("PermissionDeniedError", 403), FailureKind.PERMISSION_DENIED, False),
        (provider_error("SomeError", 402), FailureKind.INSUFFICIENT_BALANCE, False),
        (provider_error("SomeError", 502), FailureKind.UPSTREAM_ERROR, True),
        (provider_error("SomeError", 407), FailureKind.AUTH_FAILED, False),
        (provider_error("SomeError", 413), FailureKind.BAD_REQUEST, False),
        (provider_error("SomeError", 451), FailureKind.REGION_RESTRICTED, False),
        (provider_error("DefaultCredentialsError"), FailureKind.AUTH_FAILED, False),
        (provider_error("RateLimitError", 429, code="insufficient_quota"), FailureKind.INSUFFICIENT_BALANCE, True),
        (
            provider_error(
                "PermissionDeniedError", 403, body={"error": {"code": "unsupported_country_region_territory"}}
            ),
            FailureKind.REGION_RESTRICTED,
            False,
        ),
        (TimeoutError("slow"), FailureKind.TIMEOUT, True),
        (EmptyResponse("nothing"), FailureKind.EMPTY_RESPONSE, False),
        (InvalidJSON("not json"), FailureKind.INVALID_JSON, False),
        (ValueError("Failed to generate answer, 14010 tokens"), FailureKind.UNKNOWN, False),
        (KeyboardInterrupt(), FailureKind.UNKNOWN, False),
    ],
)
def test_classify_by_class_and_status(exc: BaseException, kind: FailureKind, is_retryable: bool) -> None:
    failure = classify(exc)

    assert (failure.kind, failure.is_retryable) == (kind, is_retryable)


def test_classify_error_type_is_the_class_or_our_code() -> None:
    assert classify(provider_error("RateLimitError", 429)).error_type == "RateLimitError"
    assert classify(EmptyResponse("nothing")).error_type == "empty_response"


def test_classify_finds_retry_after_on_the_innermost_exception() -> None:
    wrapped = provider_error("RateLimitError", 429, headers={})
    wrapped.__context__ = provider_error("SdkError", 429, response=SimpleNamespace(headers={"retry-after": "7"}))

    assert classify(wrapped).retry_after_s == 7.0


def test_classify_follows_the_cause() -> None:
    wrapped = provider_error("SomethingOdd")
    wrapped.__cause__ = provider_error("ReadTimeout")

    assert classify(wrapped).kind is FailureKind.TIMEOUT


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("-1", 0.0),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_classify_reads_retry_after(value: str, expected: float | None) -> None:
    exc = provider_error(
        "RateLimitError", 429, response=SimpleNamespace(headers={"retry-after": value}, status_code=429)
    )

    assert classify(exc, now=datetime(2026, 11, 24, 12, tzinfo=UTC)).retry_after_s == expected


class _Sealed(Exception):
    """Its attributes cannot be set, as those of a frozen dataclass, and it has no text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        vars(self)["reason"] = reason

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)

    def __str__(self) -> str:
        raise ValueError("no text")


def test_an_exception_that_resists_is_classified_and_masked_all_the_same() -> None:
    exc = _Sealed(f"bad key {KEY}")

    assert classify(exc).message == "_Sealed"
    scrub_exception(exc, [KEY])

    assert (exc.args, vars(exc)) == (("bad key ***",), {"reason": "bad key ***"})


def test_classify_looks_inside_litellms_wrapper_for_streams() -> None:
    inner = provider_error("RateLimitError", 429, litellm_response_headers={"retry-after": "3"})

    failure = classify(provider_error("MidStreamFallbackError", 503, original_exception=inner))

    assert (failure.kind, failure.error_type, failure.retry_after_s) == (FailureKind.RATE_LIMIT, "RateLimitError", 3.0)


def test_classify_status_tells_more_than_a_wrapping_class() -> None:
    assert classify(provider_error("BadRequestError", 403)).kind is FailureKind.PERMISSION_DENIED


def test_connection_that_was_refused_is_no_servers_error() -> None:
    refused = provider_error("APIConnectionError")
    wrapped = provider_error("InternalServerError", 500)
    wrapped.__context__ = refused

    failure = classify(wrapped)

    assert (failure.kind, failure.is_retryable) == (FailureKind.NETWORK_ERROR, True)
    assert classify(provider_error("InternalServerError", 500)).kind is FailureKind.UPSTREAM_ERROR
    scrub_exception(wrapped, ())
    assert classify(wrapped).kind is FailureKind.NETWORK_ERROR
    assert wrapped.__cause__ is not refused
