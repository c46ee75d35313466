"""Owns when a process that writes rows looks after the partitions beside it: at its start and every few hours."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from agentcore_metering.adapters.django.partitions.ddl import Busy
from agentcore_metering.adapters.django.partitions.upkeep import keep_up

__all__ = ["PartitionKeeper"]

logger = logging.getLogger(__name__)

INTERVAL_S = 6 * 3600.0
BUSY_INTERVAL_S = 600.0
"""Where another process was at it, or a transaction had the table locked."""


class PartitionKeeper:
    """To be called after each batch of rows, in the thread that writes them."""

    def __init__(self, alias: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._alias = alias
        self._monotonic_s = monotonic_s
        self._due_s = monotonic_s()

    def __call__(self) -> None:
        """Make the tables of the months to come, where the usage table is divided. What fails is told and tried again next time."""
        now_s = self._monotonic_s()
        if now_s < self._due_s:
            return
        self._due_s = now_s + INTERVAL_S
        try:
            # Once: rows wait for this thread.
            made = keep_up(self._alias, timezone.now(), attempts=1)
        except Busy:
            self._due_s = now_s + BUSY_INTERVAL_S
        except (DatabaseError, InterfaceError, SynchronousOnlyOperation) as exc:
            logger.warning("Partitions of the months to come could not be made: %s: %s", type(exc).__name__, exc)
        else:
            if made:
                logger.info("Partitions were made: %s", ", ".join(made))
