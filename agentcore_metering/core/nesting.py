"""Whether what runs now is part of a call that is being metered, so that no request is counted a second time further in.

Owns that mark. It travels with the context into the threads and tasks by which LiteLLM does its work, and ends with the call: what a
task that outlives the call does later is its own.
"""

from __future__ import annotations

from contextvars import ContextVar, Token

__all__ = ["Section", "is_metered", "metered"]


class Section:
    """One piece of work of a metered call, marked from `__enter__` to `__exit__`; to be entered once."""

    __slots__ = ("_token", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self._token: Token[Section | None]

    def __enter__(self) -> None:
        self.is_open = True
        self._token = _section.set(self)

    def close(self) -> None:
        """Nothing is marked by this section any longer. Touches no context, so it may be called by a finalizer."""
        self.is_open = False

    def __exit__(self, *_exception: object) -> None:
        self.close()
        try:
            _section.reset(self._token)
        except ValueError:
            # A coroutine that the garbage collector ends does so in another context, which never had the mark.
            return


_section: ContextVar[Section | None] = ContextVar("agentcore_metering_section", default=None)


def is_metered() -> bool:
    """Whether a call that is being metered is at work here."""
    section = _section.get()
    return section is not None and section.is_open


def metered() -> Section:
    """A context in which what runs is marked as part of a call that is being metered."""
    return Section()
