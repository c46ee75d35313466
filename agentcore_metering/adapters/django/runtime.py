"""The composition root: joins configuration, LiteLLM, telemetry, prices and persistence. The only file that knows all parts."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from agentcore_metering.adapters.django.conf import deepseek_thinking_model_prefixes, metering_settings
from agentcore_metering.adapters.django.config.cache import ConfigCache, PriceRefresher
from agentcore_metering.adapters.django.config.chain import ConfigChain, find_chain
from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.outbound import OutboundGuard
from agentcore_metering.adapters.django.partitions.background import PartitionKeeper
from agentcore_metering.adapters.django.persistence.journal import JournalSink
from agentcore_metering.adapters.django.persistence.modes import Sink, make_sink
from agentcore_metering.adapters.django.persistence.reads import let_reads_wait_for
from agentcore_metering.adapters.django.rollups.background import RollupKeeper
from agentcore_metering.core import dropped
from agentcore_metering.core.clock import SystemClock
from agentcore_metering.core.errors import EndpointRefused
from agentcore_metering.core.gateway import LiteLLMBackend
from agentcore_metering.core.lifecycle import CallServices
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import PriceBook
from agentcore_metering.core.request import RequestPolicy
from agentcore_metering.core.types import ConfigScope, ModelConfig
from agentcore_metering.delivery.stats import WriterStats
from agentcore_metering.telemetry.attributes import CostConvention
from agentcore_metering.telemetry.content import ContentMode, ContentPolicy
from agentcore_metering.telemetry.observer import TelemetryObserver
from agentcore_metering.telemetry.side_channel import observe_side_channel

__all__ = ["Metering", "flush", "flush_if_begun", "get_metering", "make_observer", "reset", "services_replaced"]


@dataclass(frozen=True, slots=True)
class Metering:
    """Everything that a call needs, joined once per process."""

    services: CallServices
    configs: ConfigCache
    prices: PriceRefresher
    sink: Sink
    outbound: OutboundGuard | None
    """None where a test's backend sends nothing anywhere."""

    def resolve_config(
        self, user_id: Any, model_uuid: Any, *, strict_user_scope: bool, model_type: str = "llm"
    ) -> ModelConfig:
        """The configuration for a call; see `config.resolver` and `outbound`, whose errors it raises.

        Side effect: the operator's prices are read anew where that is due.
        """
        config = self.configs.resolve(user_id, model_uuid, strict_user_scope=strict_user_scope, model_type=model_type)
        return self.admit(config)

    def admit(self, config: ModelConfig) -> ModelConfig:
        """`config`, by which a call is about to be made.

        Raises `EndpointRefused` where it leads to where calls may not go. Side effect: see `resolve_config`.
        """
        # What stands in settings was written by the operator himself.
        if self.outbound is not None and config.scope is not ConfigScope.SETTINGS:
            refusal = self.outbound.refusal(config.options)
            if refusal is not None:
                raise EndpointRefused(refusal)
        self.prices.refresh_if_due()
        return config

    def resolve_chain(self, config: ModelConfig, user_id: Any) -> ConfigChain:
        """The configuration with those that its fallback policy names; see `config.chain`."""
        if config.fallback is None:
            return ConfigChain.only(config)
        return find_chain(config, user_id, lambda *asked: self.admit(self.configs.resolve(*asked)))

    @property
    def request_policy(self) -> RequestPolicy:
        """What the host's settings say about every request."""
        return RequestPolicy(metering_settings.REDACT_EXCEPTIONS, deepseek_thinking_model_prefixes())


_lock = threading.RLock()  # a signal handler may make this process's first call while the first one is about to be made
_metering: Metering | None = None
_instruments: Sequence[object] | None = None


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


def flush_if_begun(timeout_s: float) -> bool:
    """`flush`, where this process has a meter; True at once where it has made no call."""
    metering = _metering
    return metering is None or (dropped.wait(timeout_s) and metering.sink.flush(timeout_s))


def reset() -> None:
    """Write what is left and forget this process's meter: for tests and for processes that change their settings."""
    global _metering
    with _lock:
        metering, _metering = _metering, None
    if metering is not None:
        let_reads_wait_for(None)
        metering.sink.close()


@contextmanager
def services_replaced(**services: Any) -> Iterator[Metering]:
    """For tests: this process's meter with other services, by their names in `CallServices`, until the block ends."""
    global _metering  # noqa: PLW0603 - as in `get_metering`
    before = get_metering()
    outbound = None if "backend" in services else before.outbound
    during = replace(before, services=replace(before.services, **services), outbound=outbound)
    with _lock:
        _metering = during
    try:
        yield during
    finally:
        with _lock:
            if _metering is during:
                _metering = before


def _begin_anew_in_child() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it, and that thread does not exist here
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_begin_anew_in_child)


def _compose() -> Metering:
    operator_prices = OperatorPrices()
    alias = metering_settings.DATABASE_ALIAS
    keep_rollups, keep_partitions = RollupKeeper(alias), PartitionKeeper(alias)

    def after_write() -> None:
        keep_rollups()
        keep_partitions()

    sink = make_sink(after_write)
    let_reads_wait_for(sink)
    _observe_side_channel_once()
    services = CallServices(
        backend=LiteLLMBackend(disable_stream_logging=metering_settings.DISABLE_LITELLM_STREAM_LOGGING),
        observer=make_observer(),
        sink=sink,
        prices=PriceBook([operator_prices, PriceMap()]),
        clock=SystemClock(),
    )
    return Metering(services, ConfigCache(), PriceRefresher(operator_prices), sink, OutboundGuard())


def make_observer(**providers: Any) -> TelemetryObserver:
    """An observer as the settings want it, by the host's global providers unless others are named; see `TelemetryObserver`."""
    settings = metering_settings
    content = ContentPolicy.from_environment()
    if settings.CAPTURE_CONTENT is not None:
        content = replace(content, mode=ContentMode(settings.CAPTURE_CONTENT))
    if (redact := settings.CONTENT_REDACTOR) is not None:
        content = replace(content, redact=redact)
    return TelemetryObserver(
        content=content,
        max_models=settings.MAX_METRIC_MODELS,
        cost_convention=CostConvention(settings.COST_SPAN_CONVENTION),
        has_cost_alias=settings.COST_METRIC_ALIAS,
        **providers,
    )


def _observe_side_channel_once() -> None:
    """The instruments are the process's, whichever meter it has: what they report is looked up then."""
    global _instruments  # noqa: PLW0603 - an SDK warns of an instrument that is made twice
    if _instruments is None:
        _instruments = observe_side_channel(_side_channel_stats)


def _side_channel_stats() -> WriterStats | None:
    metering = _metering
    return metering.sink.stats() if metering is not None and isinstance(metering.sink, JournalSink) else None
