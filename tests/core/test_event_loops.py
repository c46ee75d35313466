"""Clients of a dead loop are not given to a new one that has its id."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from agentcore_metering.core.event_loops import forget_dead_clients


class _Cache:
    def __init__(self) -> None:
        self.cache_dict: dict[str, str] = {}

    def delete_cache(self, key: str) -> None:
        del self.cache_dict[key]


def test_clients_under_a_new_loops_id_are_dropped_once() -> None:
    litellm: Any = SimpleNamespace(in_memory_llm_clients_cache=_Cache())
    clients = litellm.in_memory_llm_clients_cache.cache_dict

    async def case() -> None:
        mine = f"openai-{id(asyncio.get_running_loop())}"
        clients.update({mine: "of a dead loop", "openai": "for threads", "openai-1": "of another loop"})
        forget_dead_clients(litellm)
        assert set(clients) == {"openai", "openai-1"}
        clients[mine] = "of this loop"
        forget_dead_clients(litellm)
        assert clients[mine] == "of this loop"

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, case()).result()
