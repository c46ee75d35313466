"""By which meter a call of LiteLLM's is recorded: this process's own as soon as Django's apps are ready, before that without rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

from django.apps import apps

from agentcore_metering.adapters.django.off_loop import is_on_event_loop, off_loop
from agentcore_metering.core.clock import SystemClock
from agentcore_metering.core.containment import contained
from agentcore_metering.core.gateway import LiteLLMBackend
from agentcore_metering.core.lifecycle import CallServices
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import PriceBook
from agentcore_metering.core.types import AttemptRecord, AttemptStart
from agentcore_metering.telemetry.observer import TelemetryObserver

__all__ = ["Meters"]

PRICES = "pricing"
"""How `contained` names what fails here: the call is recorded all the same, by the prices that are known."""


class Meters:
    """Gives each call the services of the moment.

    Args:
        providers: `tracer_provider`, `meter_provider` and `logger_provider`, as far as others than the global ones are meant.
    """

    def __init__(self, providers: Mapping[str, Any]) -> None:
        self._providers = {name: provider for name, provider in providers.items() if provider is not None}
        self._rowless = cache(self._make_rowless)
        self._own_observer = cache(self._make_own_observer)

    def services(self) -> CallServices:
        """For a call in a thread. Side effect: the operator's prices are read anew where that is due."""
        if not _has_database():
            return self._rowless()
        from agentcore_metering.adapters.django.runtime import get_metering

        metering = get_metering()
        with contained(PRICES):
            _refresh(metering.prices.refresh_if_due)
        return self._observed(metering.services)

    async def aservices(self) -> CallServices:
        """For a call on an event loop, which is not blocked with the database."""
        if not _has_database():
            return self._rowless()
        from agentcore_metering.adapters.django.runtime import get_metering

        metering = get_metering()
        with contained(PRICES):
            await off_loop(metering.prices.refresh_if_due)
        return self._observed(metering.services)

    def _observed(self, services: CallServices) -> CallServices:
        return replace(services, observer=self._own_observer()) if self._providers else services

    def _make_own_observer(self) -> TelemetryObserver:
        from agentcore_metering.adapters.django.runtime import make_observer

        return make_observer(**self._providers)

    def _make_rowless(self) -> CallServices:
        return CallServices(
            backend=LiteLLMBackend(),
            observer=TelemetryObserver(**self._providers),
            sink=_NoRows(),
            prices=PriceBook([PriceMap()]),
            clock=SystemClock(),
        )


class _NoRows:
    """The sink of a process without Django, or of one whose Django is not ready yet."""

    def attempt_started(self, start: AttemptStart) -> None:
        """Nowhere to write it."""

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Nowhere to write it."""

    async def settle(self) -> None:
        """Nothing is left."""


def _has_database() -> bool:
    return apps.ready and apps.is_installed("agentcore_metering.adapters.django")


def _refresh(refresh: Callable[[], None]) -> None:
    if not is_on_event_loop():
        _refresh_and_hang_up(refresh)
        return
    # Django refuses queries here, and the loop waits for this call as it is.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(_refresh_and_hang_up, refresh).result()


def _refresh_and_hang_up(refresh: Callable[[], None]) -> None:
    """Refresh, and close the connection if it was opened for that: the thread may be a framework's, in which nobody else would."""
    from django.db import connections

    def are_open() -> set[str]:
        return {each.alias for each in connections.all(initialized_only=True) if each.connection is not None}

    before = are_open()
    try:
        refresh()
    finally:
        for alias in are_open() - before:
            connections[alias].close()
