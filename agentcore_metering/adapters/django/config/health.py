"""Which configurations are passed over for a while, kept in Django's default cache so that all processes know.

A cache that is per process makes each process find out for itself; one that is away means that nothing is passed over. Either way
calls go on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.cache import caches

from agentcore_metering.adapters.django.config.fallback import FallbackPolicy

__all__ = ["HealthState", "PolicyHealth", "forget", "is_usable", "read_state"]

logger = logging.getLogger(__name__)

PREFIX = "agentcore_metering:fallback:"
KEPT_S = 86_400
"""How long it is remembered that a configuration was out of use, so that one call alone tries whether it is back."""


@dataclass(frozen=True, slots=True)
class HealthState:
    """What an admin sees of a configuration."""

    state: str
    """`ready`, `cooling`, `awaiting_request` (the next call tries it), `manual_recovery`, or `unknown` without a cache."""
    remaining_seconds: int | None = 0
    reason: str | None = None
    """The condition that put it out of use."""

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        shown: dict[str, Any] = {"state": self.state, "remaining_seconds": self.remaining_seconds}
        return shown if self.reason is None else {**shown, "reason": self.reason}


def is_usable(config_uuid: UUID | None, policy: FallbackPolicy, now_s: Callable[[], float] = time.time) -> bool:
    """Whether a call may ask this configuration now. After a cool-down the first call that asks this may, the others wait for it.

    Side effect: asks the cache, so it has no place on an event loop.
    """
    if config_uuid is None:
        return True
    try:
        found = caches["default"].get(_key(config_uuid))
        if not found:
            return True
        if found["until"] is None or found["until"] > now_s():
            return False
        wait_s = policy.timeout_seconds * (policy.retries + 1) + 5
        return bool(caches["default"].add(f"{_key(config_uuid)}:check", 1, timeout=wait_s))
    except Exception as exc:  # noqa: BLE001 - a cache's own errors have no common class, and none may cost a call
        _log_unavailable(exc)
        return True


def read_state(config_uuid: UUID, now_s: Callable[[], float] = time.time) -> HealthState:
    """How the configuration stands."""
    try:
        found = caches["default"].get(_key(config_uuid))
    except Exception as exc:  # noqa: BLE001 - as above
        _log_unavailable(exc)
        return HealthState("unknown", None)
    if not found:
        return HealthState("ready")
    if found["until"] is None:
        return HealthState("manual_recovery", None, found["reason"])
    remaining_s = max(0, int(found["until"] - now_s()))
    return HealthState("cooling" if remaining_s else "awaiting_request", remaining_s, found["reason"])


def forget(config_uuid: UUID | None) -> None:
    """Take the configuration back into use."""
    if config_uuid is not None:
        _contained(lambda: caches["default"].delete_many([_key(config_uuid), f"{_key(config_uuid)}:check"]))


class PolicyHealth:
    """The core's `ConfigHealth` by one policy. On an event loop the cache is told by a thread, and nobody waits."""

    def __init__(self, policy: FallbackPolicy, now_s: Callable[[], float] = time.time) -> None:
        self._policy = policy
        self._now_s = now_s

    def failed(self, config_uuid: UUID | None, condition: str) -> None:
        """Pass the configuration over from now on."""
        policy = self._policy
        if config_uuid is None or (policy.auto_recover and policy.cooldown_seconds == 0):
            return
        until = self._now_s() + policy.cooldown_seconds if policy.auto_recover else None
        value = {"until": until, "reason": condition}
        timeout_s = KEPT_S if policy.auto_recover else None
        _off_loop(lambda: caches["default"].set(_key(config_uuid), value, timeout=timeout_s))

    def succeeded(self, config_uuid: UUID | None) -> None:
        """It works: nothing of a failure is remembered."""
        _off_loop(lambda: forget(config_uuid))


def _key(config_uuid: UUID) -> str:
    return f"{PREFIX}{config_uuid}"


def _off_loop(change: Callable[[], Any]) -> None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        _contained(change)
    else:
        loop.run_in_executor(None, _contained, change)


def _contained(change: Callable[[], Any]) -> None:
    try:
        change()
    except Exception as exc:  # noqa: BLE001 - as above
        _log_unavailable(exc)


def _log_unavailable(exc: Exception) -> None:
    logger.warning("The cache cannot be asked which configurations are out of use: %s", type(exc).__name__)
