"""Owns the line in the log that a refused change of a configuration leaves: of which one, by whom, and what was refused; never a value.

It is no row of the trail, which holds what was done: under `ATOMIC_REQUESTS` a row would be undone with the request that was refused, and
nothing would bound how many of them a caller makes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from agentcore_metering.adapters.django.models.actors import current_actor
from agentcore_metering.core.errors import InvalidField

__all__ = ["log_refusal", "refusals_logged"]

logger = logging.getLogger(__name__)


@contextmanager
def refusals_logged(config_uuid: UUID | None) -> Iterator[None]:
    """A context whose `InvalidField` is logged and goes on; None is a configuration that there is not yet."""
    try:
        yield
    except InvalidField as error:
        log_refusal(config_uuid, error.field)
        raise


def log_refusal(config_uuid: UUID | None, field: str) -> None:
    """Log that a change of `field` was refused."""
    actor = current_actor()
    logger.warning(
        "A change of configuration %s was refused for %s (user %s, by way of %s)",
        config_uuid or "(new)",
        field[:255],
        actor.id or "unknown",
        actor.via,
    )
