"""Whether code runs on an event loop, and how it then has work done that may query: in the thread that Django keeps for it, also after a fork."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, sync_to_async

__all__ = ["is_on_event_loop", "off_loop"]

P = ParamSpec("P")
T = TypeVar("T")


def is_on_event_loop() -> bool:
    """Whether this thread runs one: there Django refuses queries, and nothing may wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def off_loop(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` gives, done by `sync_to_async`. Unlike that, it does not wait for ever in the child of a process that has used it."""
    _replace_dead_thread()
    return await sync_to_async(work)(*args, **kwargs)


def _replace_dead_thread() -> None:
    """Asgiref keeps one thread for the whole process, which a fork leaves behind while its executor still counts on it."""
    threads = SyncToAsync.single_thread_executor._threads  # noqa: SLF001 - nothing else tells whether anybody is there
    if threads and not any(thread.is_alive() for thread in threads):
        SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
