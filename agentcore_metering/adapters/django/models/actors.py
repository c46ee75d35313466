"""Owns who is at work: whom a change of a configuration is written down to. Nobody is known outside of `acting`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

__all__ = ["NOBODY", "Actor", "acting", "current_actor"]

MAX_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Actor:
    """A user as he is written down: by texts, which outlive his account."""

    via: str
    """The way by which he came: `api`, `admin`, or `code` where it is not known."""
    id: str = ""
    """His primary key; empty where nobody is known."""
    name: str = ""


NOBODY = Actor("code")

_acting: ContextVar[tuple[str, Callable[[], Any]] | None] = ContextVar("agentcore_metering_actor", default=None)


@contextmanager
def acting(via: str, user: Callable[[], Any]) -> Iterator[None]:
    """A context whose changes are those of `user()`, which is asked when there is one to write down."""
    token = _acting.set((via, user))
    try:
        yield
    finally:
        _acting.reset(token)


def current_actor() -> Actor:
    """Who is at work in this context."""
    known = _acting.get()
    if known is None:
        return NOBODY
    via, user_of = known
    user = user_of()
    if user is None or user.pk is None:
        return Actor(via)
    return Actor(via, str(user.pk)[:MAX_LENGTH], str(user.get_username())[:MAX_LENGTH])
