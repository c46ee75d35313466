"""Owns what must not grow or happen in steady state: SQL in the caller's thread, connections to the provider, memory."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.db import connection

from benchmarks.overhead.provider import counts
from benchmarks.overhead.ways import Way

__all__ = ["STRETCHES", "memory_bytes", "steady_state"]

STRETCHES = 2
PAGE_BYTES = resource.getpagesize()


def steady_state(way: Way, address: str, calls: int) -> tuple[int, int]:
    """SQL statements of the caller's thread and connections to the provider that `calls` further calls take.

    Twice a minute a call finds the copies of configuration and prices no longer fresh and asks for them anew; that is no steady state.
    Of two stretches that follow each other, far shorter than that, at most one has it.
    """
    return min(_stretch(way, address, calls) for _ in range(STRETCHES))


def _stretch(way: Way, address: str, calls: int) -> tuple[int, int]:
    statements: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    opened = counts(address)["connections"]
    with connection.execute_wrapper(note):
        for _ in range(calls):
            way.whole()
    # Asking for the count takes a connection, too.
    return len(statements), counts(address)["connections"] - opened - 1


def memory_bytes(way: Way, calls: int, steps: int, settle: Callable[[], None]) -> Iterator[tuple[int, int]]:
    """The resident set after each step, with the number of calls made by then."""
    for step in range(1, steps + 1):
        for _ in range(calls // steps):
            way.whole()
        settle()
        gc.collect()
        yield step * (calls // steps), int(Path(f"/proc/{os.getpid()}/statm").read_text().split()[1]) * PAGE_BYTES
