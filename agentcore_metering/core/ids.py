"""The ids of calls and attempts: unique in all processes, and in the order in which they were made."""

from __future__ import annotations

import os
import time
from random import Random
from uuid import UUID

__all__ = ["uuid7"]

_random = Random()  # noqa: S311 - ids are to be unique, not secret
"""Seeded by the system's entropy once in a process: asking for it each time would let go of the interpreter's lock in every call."""
os.register_at_fork(after_in_child=_random.seed)


def uuid7() -> UUID:
    """A time-ordered UUID (RFC 9562 version 7): 48 bits of Unix milliseconds, then random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | _random.getrandbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
