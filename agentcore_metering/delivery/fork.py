"""Owns what happens to an object when its process forks: nothing holds it alive, and a child starts with one that is its own."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["ForkAware", "survive_forks"]


class ForkAware(Protocol):
    """An object with threads, locks or files that a child must not share."""

    def before_fork(self) -> None:
        """Bring what a child will see into a whole state; the forking thread, in the parent."""

    def after_fork_in_parent(self) -> None:
        """Undo `before_fork`."""

    def after_fork_in_child(self) -> None:
        """Forget what is the parent's."""


def survive_forks(item: ForkAware) -> None:
    """Have the three methods of `item` called at every fork for as long as it lives."""
    reference = weakref.ref(item)

    def call(name: str) -> None:
        alive = reference()
        if alive is not None:
            getattr(alive, name)()

    os.register_at_fork(
        before=lambda: call("before_fork"),
        after_in_parent=lambda: call("after_fork_in_parent"),
        after_in_child=lambda: call("after_fork_in_child"),
    )
