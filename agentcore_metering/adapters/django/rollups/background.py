"""Owns when a process that writes rows refreshes the rollups beside it: now and then, briefly, and never at a call's expense."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, InterfaceError

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.rollups.refresh import refresh

__all__ = ["RollupKeeper"]

logger = logging.getLogger(__name__)

BUDGET_S = 0.5
"""After that no new day is begun: rows wait for it."""


class RollupKeeper:
    """To be called after each batch of rows, in the thread that writes them."""

    def __init__(self, alias: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._alias = alias
        self._monotonic_s = monotonic_s
        self._due_s = monotonic_s() + metering_settings.ROLLUP_INTERVAL_S

    def __call__(self) -> None:
        """Refresh where `AGENTCORE_METERING_ROLLUP_INTERVAL_S` seconds have passed. What fails is told and tried again then."""
        interval_s = metering_settings.ROLLUP_INTERVAL_S
        now_s = self._monotonic_s()
        if not interval_s or now_s < self._due_s:
            return
        self._due_s = now_s + interval_s
        try:
            refresh(self._alias, budget_s=BUDGET_S)
        except (DatabaseError, InterfaceError, SynchronousOnlyOperation) as exc:
            # Figures stay right: what is not summed up is read from the rows.
            logger.warning("The rollups could not be refreshed: %s: %s", type(exc).__name__, exc)
