"""Last known good configurations and prices: calls ask the database for each twice a minute at most, and survive without it for an hour.

Secrets are kept as calls need them; docs/adr/0006 says why they are not sealed in memory.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, InterfaceError

from agentcore_metering.adapters.django.config.freshness import Freshness, Stamp
from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.config.resolver import resolve_config
from agentcore_metering.adapters.django.config.source import from_settings
from agentcore_metering.adapters.django.models import LLMConfig, LLMPrice
from agentcore_metering.core.errors import ConfigNotFound
from agentcore_metering.core.types import ConfigScope, ModelConfig

__all__ = ["ConfigCache", "PriceRefresher"]

logger = logging.getLogger(__name__)

MAX_ENTRIES = 10_000
"""One for each user and named configuration in use; the longest unused goes first."""

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A resolved configuration; every call by it is given the same object."""

    stamp: Stamp
    config: ModelConfig


class ConfigCache:
    """`resolve_config` with a memory. Safe for threads; two that miss at once both ask."""

    def __init__(self, freshness: Freshness | None = None) -> None:
        self._freshness = freshness or Freshness(LLMConfig._meta.db_table)
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def resolve(
        self,
        user_id: Any,
        model_uuid: Any,
        *,
        strict_user_scope: bool = False,
        model_type: str = LLMConfig.MODEL_TYPE_LLM,
    ) -> ModelConfig:
        """The configuration for a call; see `resolver.resolve_config`, whose errors it raises, except a database's while a copy is usable."""
        key = (str(user_id) if user_id is not None else None, str(model_uuid or ""), strict_user_scope, model_type)
        entry = self._entries.get(key)
        if entry is not None and self._freshness.is_fresh(entry.stamp):
            return _current(entry.config)
        stamp = self._freshness.stamp()
        try:
            config = resolve_config(user_id, model_uuid, strict_user_scope=strict_user_scope, model_type=model_type)
        except (DatabaseError, InterfaceError) as exc:
            if entry is None or not self._freshness.is_usable(entry.stamp):
                raise
            self._freshness.note_outage()
            logger.warning(
                "The configuration of this call is a copy, because the database cannot be asked: %s", type(exc).__name__
            )
            return _current(entry.config)
        except ConfigNotFound:
            self._forget(key)
            raise
        self._keep(key, config, stamp)
        return config

    def _keep(self, key: Key, config: ModelConfig, stamp: Stamp) -> None:
        with self._lock:
            self._entries[key] = _Entry(stamp, config)
            self._entries.move_to_end(key)
            while len(self._entries) > MAX_ENTRIES:
                self._entries.popitem(last=False)

    def _forget(self, key: Key) -> None:
        with self._lock:
            self._entries.pop(key, None)


def _current(config: ModelConfig) -> ModelConfig:
    """The configuration itself. Settings are read when they are used: what is remembered is that the database has nothing before them."""
    if config.scope is not ConfigScope.SETTINGS:
        return config
    return from_settings() or config


class PriceRefresher:
    """Keeps the operator's prices as fresh as configurations are."""

    def __init__(self, prices: OperatorPrices, freshness: Freshness | None = None) -> None:
        self._prices = prices
        self._freshness = freshness or Freshness(LLMPrice._meta.db_table)
        self._stamp: Stamp | None = None

    def refresh_if_due(self) -> None:
        """Read the prices anew where the copy is not fresh. A database that is away costs the call nothing: the copy stays in force."""
        if self._freshness.is_fresh(self._stamp):
            return
        stamp = self._freshness.stamp()
        try:
            self._prices.refresh()
        except (DatabaseError, InterfaceError) as exc:
            if self._stamp is None:
                raise
            self._freshness.note_outage()
            logger.warning(
                "The operator's prices are a copy, because the database cannot be asked: %s", type(exc).__name__
            )
        else:
            self._stamp = stamp
