"""Owns what holds while a provider is called for one of our calls: its span is current, it is marked as metered, redirects keep to their host.

What an observer does for its part of that is left to the observation.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from agentcore_metering.core import redirects
from agentcore_metering.core.containment import contained
from agentcore_metering.core.nesting import metered
from agentcore_metering.core.ports import CallObservation

__all__ = ["Activation"]


class Activation:
    """An observation's activation, whose own failures are contained, in a context that is marked as metered and keeps redirects to their host.

    A stream enters one for each of its chunks.
    """

    __slots__ = ("_observation", "_scope", "_section", "_was_confined")

    def __init__(self, observation: CallObservation) -> None:
        self._observation = observation
        self._scope: AbstractContextManager[None] | None = None
        self._section = metered()
        self._was_confined = False

    def __enter__(self) -> None:
        self._section.__enter__()
        self._was_confined = redirects.confine()
        with contained("telemetry"):
            scope = self._observation.activate()
            scope.__enter__()
            self._scope = scope

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        self._section.close()
        if kind is GeneratorExit:
            # The coroutine is being destroyed, perhaps by the garbage collector in the middle of somebody's ContextVar.set: another one
            # then would crash CPython 3.11, and the context that was entered is gone with its task.
            return
        redirects.release(self._was_confined)
        self._section.__exit__()
        if self._scope is not None:
            with contained("telemetry"):
                self._scope.__exit__(None, None, None)
