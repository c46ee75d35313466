"""Where a call goes on when a configuration has failed it: the next request of a plan, and what the rows say of it.

A fallback is one more attempt of the same call, by another configuration with a deadline and retries of its own. Which
configurations these are, and which of them are out of use for a while, is left to who makes the plan.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from agentcore_metering.core.types import AttemptStart, CallRequest, Failure, FailureKind

__all__ = ["CONDITIONS", "ConfigHealth", "FallbackPlan", "bounded", "condition_of"]

CONDITIONS: dict[str, FailureKind] = {
    "timeout": FailureKind.TIMEOUT,
    "rate_limit": FailureKind.RATE_LIMIT,
    "upstream_error": FailureKind.UPSTREAM_ERROR,
    "connection_error": FailureKind.NETWORK_ERROR,
    "quota_exhausted": FailureKind.INSUFFICIENT_BALANCE,
    "empty_response": FailureKind.EMPTY_RESPONSE,
}
"""The failures that a policy may name, by the names that it has for them."""

_NAMES = {kind: name for name, kind in CONDITIONS.items()}


class ConfigHealth(Protocol):
    """Keeps configurations that fail out of use for a while. May not raise; also called on event loops, where it may not wait."""

    def failed(self, config_uuid: UUID | None, condition: str) -> None:
        """A call has given this configuration up."""

    def succeeded(self, config_uuid: UUID | None) -> None:
        """This configuration has given a usable answer."""


class FallbackPlan:
    """The requests that one call may still make. Not shared between calls.

    Args:
        requested: the configuration that the caller would have got, whether or not it is in use now.
        requests: what comes after the call's first request, in order.
        conditions: the failures, by their names in `CONDITIONS`, after which the next one is tried.
    """

    def __init__(
        self, requested: UUID | None, requests: Iterable[CallRequest], conditions: Iterable[str], health: ConfigHealth
    ) -> None:
        self._requested = requested
        self._requests = deque(requests)
        self._kinds = frozenset(CONDITIONS[name] for name in conditions)
        self._health = health
        self._reason: str | None = None

    def covers(self, failure: Failure) -> bool:
        """Whether there is a next request, and the failure is one after which it is made."""
        return bool(self._requests) and failure.kind in self._kinds

    def give_up(self, config_uuid: UUID | None, failure: Failure) -> None:
        """The configuration will not be asked again by this call."""
        if failure.kind in self._kinds:
            self._health.failed(config_uuid, condition_of(failure))

    def advance(self, failure: Failure) -> CallRequest:
        """The next request, because of this failure."""
        self._reason = condition_of(failure)
        return self._requests.popleft()

    def succeeded(self, config_uuid: UUID | None) -> None:
        """The configuration has given a usable answer."""
        self._health.succeeded(config_uuid)

    def notes(self, start: AttemptStart, config_attempt: int, failure: Failure | None) -> Mapping[str, Any]:
        """What the row of an attempt says of requested and actual configuration, in the reference's words."""
        actual = start.target.config_uuid
        notes = {
            "fallback_call_id": str(start.call_id),
            "requested_config_uuid": str(self._requested) if self._requested else None,
            "actual_config_uuid": str(actual) if actual else None,
            "fallback_attempt": start.attempt,
            "fallback_model_attempt": config_attempt,
            "fallback_reason": self._reason,
            "actual_model": start.target.litellm_model,
        }
        return notes if failure is None else {**notes, "fallback_failure_reason": condition_of(failure)}


def condition_of(failure: Failure) -> str:
    """The policy's name for what went wrong; where it has none, the kind's own."""
    return _NAMES.get(failure.kind, failure.kind.value)


def bounded(request: CallRequest, timeout_s: float, max_retries: int, secrets: tuple[str, ...] = ()) -> CallRequest:
    """The request with no more time than `timeout_s` seconds, these retries, and further secrets to keep out of every text."""
    limit_s = min(request.timeout_s, timeout_s)
    return replace(
        request,
        timeout_s=limit_s,
        max_retries=max_retries,
        arguments={**request.arguments, "timeout": limit_s},
        secrets=(*request.secrets, *secrets),
    )
