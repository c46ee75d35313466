"""When to try again: pure rules over one deadline for the whole call. Sleeping and sending are others'."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from agentcore_metering.core.types import Failure

__all__ = ["RetryPolicy", "answer_delay_s"]

BASE_DELAY_S = 0.5
MAX_BACKOFF_S = 8.0
MAX_JITTER_S = 0.25
MIN_TIMEOUT_S = 0.001


def _jitter_s() -> float:
    return random.uniform(0.0, MAX_JITTER_S)  # noqa: S311 - spreads retries; nothing is guarded by it


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`max_retries` retries, all attempts and waits within `timeout_s` seconds."""

    timeout_s: float
    max_retries: int
    jitter_s: Callable[[], float] = field(default=_jitter_s, repr=False)

    def next_delay_s(self, retries_done: int, failure: Failure, elapsed_s: float) -> float | None:
        """Seconds to wait before the next attempt, or None to give up.

        0.5, 1, 2, 4, 8, 8 ... plus up to 0.25 of jitter, at most 8; or what Retry-After asks for, in full. None when the retries are
        used up, the failure is permanent, or the wait would reach the deadline.
        """
        if retries_done >= self.max_retries or not failure.is_retryable:
            return None
        delay_s = self.backoff_s(retries_done, failure)
        return delay_s if delay_s < self.timeout_s - elapsed_s else None

    def backoff_s(self, retries_done: int, failure: Failure) -> float:
        """Seconds to wait where there is time for it."""
        if failure.retry_after_s is not None:
            return failure.retry_after_s + self.jitter_s()
        return min(answer_delay_s(retries_done) + self.jitter_s(), MAX_BACKOFF_S)

    def attempt_timeout_s(self, attempt: int, elapsed_s: float) -> float:
        """The timeout of attempt number `attempt` (1-based): the configured constant for the first, then what is left.

        A fresh value on each first attempt would defeat LiteLLM's client cache and cost a new connection per call.
        """
        return self.timeout_s if attempt == 1 else max(self.timeout_s - elapsed_s, MIN_TIMEOUT_S)


def answer_delay_s(retries_done: int) -> float:
    """Seconds before an unusable answer is asked for again, and the backoff before jitter: 0.5, 1, 2, 4, 8, 8, ..."""
    return min(BASE_DELAY_S * 2.0**retries_done, MAX_BACKOFF_S)
