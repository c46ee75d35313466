"""Keeps LiteLLM's clients of one event loop from another that happens to have its address.

LiteLLM caches an async client by `id(loop)`. A loop that has ended leaves its entries there; the next loop may get the same id, and with
it a client whose connections belong to a dead loop: each request then fails as a connection error. A host that uses `async_to_sync` or
`asyncio.run` makes a new loop for every request.
"""

from __future__ import annotations

import asyncio
from types import ModuleType
from typing import Any
from weakref import WeakSet

__all__ = ["forget_dead_clients"]

_known: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


def forget_dead_clients(litellm: ModuleType) -> None:
    """Before the first call of a loop: drop cached clients that were made under its id. Nothing for a loop that is known."""
    loop = asyncio.get_running_loop()
    if loop in _known:
        return
    _known.add(loop)
    clients: Any = getattr(litellm, "in_memory_llm_clients_cache", None)
    for key in list(getattr(clients, "cache_dict", ())):
        if str(key).endswith(f"-{id(loop)}"):
            clients.delete_cache(key)
