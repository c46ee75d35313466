"""The composition root: joins configuration, LiteLLM, telemetry, prices and persistence. The only file that knows all parts."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.cache import ConfigCache, PriceRefresher
from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.persistence.modes import Sink, make_sink
from agentcore_metering.adapters.django.persistence.reads import let_reads_wait_for
from agentcore_metering.core import dropped
from agentcore_metering.core.clock import SystemClock
from agentcore_metering.core.gateway import LiteLLMBackend
from agentcore_metering.core.lifecycle import CallServices
from agentcore_metering.core.pricing import PriceBook, PriceMap
from agentcore_metering.core.types import ModelConfig
from agentcore_metering.telemetry.observer import TelemetryObserver

__all__ = ["Metering", "flush", "get_metering", "reset"]


@dataclass(frozen=True, slots=True)
class Metering:
    """Everything that a call needs, joined once per process."""

    services: CallServices
    configs: ConfigCache
    prices: PriceRefresher
    sink: Sink

    def resolve_config(self, user_id: Any, model_uuid: Any, *, strict_user_scope: bool) -> ModelConfig:
        """The configuration for a call; see `config.resolver`. Side effect: the operator's prices are read anew where that is due."""
        config = self.configs.resolve(user_id, model_uuid, strict_user_scope=strict_user_scope)
        self.prices.refresh_if_due()
        return config

    @property
    def redacts_exceptions(self) -> bool:
        """Whether secrets in providers' exceptions are masked and their tracebacks cut."""
        return metering_settings.REDACT_EXCEPTIONS


_lock = threading.Lock()
_metering: Metering | None = None


def get_metering() -> Metering:
    """This process's meter, made at first use."""
    global _metering  # noqa: PLW0603 - the one singleton; `reset` is for tests
    with _lock:
        if _metering is None:
            _metering = _compose()
        return _metering


def flush(timeout_s: float = 5.0) -> bool:
    """Wait until every row of this process is in the database; False when that took longer than `timeout_s` seconds.

    Streams that were dropped unfinished are ended first.
    """
    return dropped.wait(timeout_s) and get_metering().sink.flush(timeout_s)


def reset() -> None:
    """Write what is left and forget this process's meter: for tests and for processes that change their settings."""
    global _metering
    with _lock:
        metering, _metering = _metering, None
    if metering is not None:
        let_reads_wait_for(None)
        metering.sink.close()


def _compose() -> Metering:
    operator_prices = OperatorPrices()
    sink = make_sink()
    let_reads_wait_for(sink)
    services = CallServices(
        backend=LiteLLMBackend(),
        observer=TelemetryObserver(),
        sink=sink,
        prices=PriceBook([operator_prices, PriceMap()]),
        clock=SystemClock(),
    )
    return Metering(services, ConfigCache(), PriceRefresher(operator_prices), sink)
