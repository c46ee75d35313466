"""Moved to `agentcore_metering.core.failures` and `.core.retry`."""

from __future__ import annotations

from django.utils import timezone

from agentcore_metering.core.failures import classify
from agentcore_metering.core.retry import RetryPolicy

__all__ = ["calculate_retry_delay", "is_retryable_exception"]


def is_retryable_exception(exc: BaseException) -> bool:
    """Whether the same request may well succeed when it is sent again."""
    return classify(exc).is_retryable


def calculate_retry_delay(exc: BaseException, retry_number: int, *, remaining_timeout: float | None = None) -> float:
    """Seconds to wait before retry `retry_number` (from 0): backoff or Retry-After, never more than `remaining_timeout`."""
    policy = RetryPolicy(float("inf"), retry_number + 1)
    delay_s = policy.backoff_s(retry_number, classify(exc, now=timezone.now()))
    return delay_s if remaining_timeout is None else max(0.0, min(delay_s, remaining_timeout))
