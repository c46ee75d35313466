"""A limit on how long an event loop waits for a provider, for the clients that do not keep one themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["GRACE_S", "deadline"]

GRACE_S = 0.5
"""How much later than the provider's client our own limit strikes, so that the exception is the provider's where it has one."""


@asynccontextmanager
async def deadline(timeout_s: float, reason: str) -> AsyncIterator[None]:
    """Cancel what is awaited inside after `timeout_s` seconds and a little grace, and raise `TimeoutError(reason)`.

    No thread is left behind, and a `TimeoutError` that comes from inside goes through as it is.
    """
    scope = asyncio.timeout(timeout_s + GRACE_S)
    try:
        async with scope:
            yield
    except TimeoutError:
        if scope.expired():
            raise TimeoutError(reason) from None
        raise
