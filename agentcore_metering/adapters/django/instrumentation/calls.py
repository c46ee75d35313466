"""What stands in the place of one of LiteLLM's functions: the same function, its call recorded once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from agentcore_metering.adapters.django.instrumentation.callers import caller_of
from agentcore_metering.adapters.django.instrumentation.meters import Meters
from agentcore_metering.core.containment import contained
from agentcore_metering.core.direct_call import PART, DirectCall
from agentcore_metering.core.direct_request import direct_request
from agentcore_metering.core.lifecycle import Call, CallServices
from agentcore_metering.core.nesting import is_metered
from agentcore_metering.core.otel_callbacks import with_parent

__all__ = ["ASYNC_PREFIX", "recorded"]

ASYNC_PREFIX = "a"

Find = Callable[[], Meters | None]


def recorded(function: str, bare: Callable[..., Any], find_meters: Find, *, is_async: bool) -> Callable[..., Any]:
    """`bare`, LiteLLM's `function` or its async twin, whose calls are recorded while `find_meters` gives any meters.

    A call inside another one that is recorded is part of that: the tracker's request, LiteLLM's own detours and fallbacks.
    """
    return _async_twin(function, bare, find_meters) if is_async else _sync_twin(function, bare, find_meters)


def _sync_twin(function: str, bare: Callable[..., Any], find_meters: Find) -> Callable[..., Any]:
    names = tuple(inspect.signature(bare).parameters)

    @functools.wraps(bare)
    def call(*args: Any, **kwargs: Any) -> Any:
        meters = None if is_metered() else find_meters()
        begun = None
        if meters is not None:
            with contained(PART):
                given = {**dict(zip(names, args, strict=False)), **kwargs}
                begun = _Begun(meters.services(), function, given, is_async=False)
        if begun is None:
            return bare(*args, **kwargs)
        return begun.recording.run(functools.partial(bare, *args, **begun.parented(kwargs)))

    return call


def _async_twin(function: str, bare: Callable[..., Any], find_meters: Find) -> Callable[..., Any]:
    names = tuple(inspect.signature(bare).parameters)

    @functools.wraps(bare)
    async def call(*args: Any, **kwargs: Any) -> Any:
        meters = None if is_metered() else find_meters()
        begun = None
        if meters is not None:
            with contained(PART):
                given = {**dict(zip(names, args, strict=False)), **kwargs}
                begun = _Begun(await meters.aservices(), function, given, is_async=True)
        if begun is None:
            return await bare(*args, **kwargs)
        return await begun.recording.arun(functools.partial(bare, *args, **begun.parented(kwargs)))

    return call


class _Begun:
    """A call that has begun, and its recording."""

    def __init__(self, services: CallServices, function: str, given: Mapping[str, Any], *, is_async: bool) -> None:
        self._call = Call(services, direct_request(function, given), caller_of(given))
        self.recording = DirectCall(self._call, is_async=is_async)

    def parented(self, kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """`kwargs`, by which LiteLLM's own callbacks that write spans, if there are any, are told their parent."""
        with contained("telemetry"):
            return with_parent(kwargs, self._call.trace)
        return kwargs
