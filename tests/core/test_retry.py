"""When to try again, and how long to wait."""

from __future__ import annotations

import pytest

from agentcore_metering.core.retry import RetryPolicy, answer_delay_s
from agentcore_metering.core.types import Failure, FailureKind


def make_failure(*, is_retryable: bool = True, retry_after_s: float | None = None) -> Failure:
    return Failure(FailureKind.RATE_LIMIT, "RateLimitError", "slow down", is_retryable, retry_after_s)


@pytest.mark.parametrize(
    ("retries_done", "retry_after_s", "elapsed_s", "expected"),
    [
        pytest.param(0, None, 0, 0.75, id="first"),  # 0.5 * 2**0 + 0.25
        pytest.param(1, None, 0, 1.25, id="second"),  # 0.5 * 2**1 + 0.25
        pytest.param(2, None, 0, 2.25, id="third"),  # 0.5 * 2**2 + 0.25
        pytest.param(9, None, 0, 8.0, id="at-most-eight"),
        pytest.param(10, None, 0, None, id="used-up"),
        pytest.param(0, 30.0, 0, 30.25, id="retry-after-in-full"),
        pytest.param(0, 30.0, 151, None, id="retry-after-past-the-deadline"),
        pytest.param(0, None, 179.5, None, id="no-time-left"),
    ],
)
def test_next_delay_s(retries_done: int, retry_after_s: float | None, elapsed_s: float, expected: float | None) -> None:
    policy = RetryPolicy(timeout_s=180, max_retries=10, jitter_s=lambda: 0.25)

    assert policy.next_delay_s(retries_done, make_failure(retry_after_s=retry_after_s), elapsed_s) == expected


def test_next_delay_s_permanent_failure_gives_up() -> None:
    assert RetryPolicy(180, 3).next_delay_s(0, make_failure(is_retryable=False), 0) is None


def test_next_delay_s_without_retries_gives_up() -> None:
    assert RetryPolicy(180, 0).next_delay_s(0, make_failure(), 0) is None


def test_attempt_timeout_s_first_is_the_constant_then_what_is_left() -> None:
    policy = RetryPolicy(timeout_s=180, max_retries=3)

    assert policy.attempt_timeout_s(1, 0.3) == 180
    assert policy.attempt_timeout_s(2, 30.0) == 150.0
    assert policy.attempt_timeout_s(2, 500.0) == 0.001


def test_answer_delay_s_doubles() -> None:
    assert [answer_delay_s(done) for done in range(6)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
