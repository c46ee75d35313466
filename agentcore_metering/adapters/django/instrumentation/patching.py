"""Puts the recorded functions into the place of LiteLLM's, as soon as LiteLLM is loaded, and takes them out again.

LiteLLM takes seconds to import, so it is waited for and not imported. What a module has taken from LiteLLM before (`from litellm import
completion`) stays what it was.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from agentcore_metering.adapters.django.instrumentation.calls import ASYNC_PREFIX, recorded
from agentcore_metering.adapters.django.instrumentation.meters import Meters
from agentcore_metering.core.containment import contained
from agentcore_metering.core.direct_call import PART
from agentcore_metering.core.operations import OPERATIONS

__all__ = ["install", "is_covered", "is_installed", "uninstall"]

LIBRARY = "litellm"

_lock = threading.RLock()
_meters: Meters | None = None
_replaced: dict[str, tuple[Any, Any]] = {}
"""By name what LiteLLM has now and what it had."""


def install(**providers: Any) -> None:
    """Record LiteLLM's calls from now on; nothing where that is so already.

    Side effects: LiteLLM's functions are replaced, at once if it is loaded, else when it is. See `Meters` for `providers`.
    """
    global _meters  # noqa: PLW0603 - LiteLLM is one in a process, and so is what stands in it
    with _lock:
        if _meters is not None:
            return
        _meters = Meters(providers)
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
        if (module := sys.modules.get(LIBRARY)) is not None:
            _patch(module)


def uninstall() -> None:
    """Record them no longer, also where somebody still holds a function of ours; nothing where that is so already."""
    global _meters  # noqa: PLW0603 - as in `install`
    with _lock:
        _meters = None
        if _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)
        module = sys.modules.get(LIBRARY)
        for name, (ours, bare) in _replaced.items():
            # Another one may have put his own around ours, which then lets everything pass.
            if getattr(module, name, None) is ours:
                setattr(module, name, bare)
        _replaced.clear()


def is_installed() -> bool:
    """Whether LiteLLM's calls are recorded, now or once it is loaded."""
    return _meters is not None


def is_covered() -> bool:
    """Whether somebody has put his own function around one of ours, and so sees the calls before we do."""
    module = sys.modules.get(LIBRARY)
    return any(getattr(module, name, ours) is not ours for name, (ours, _bare) in _replaced.items())


def _find_meters() -> Meters | None:
    return _meters


def _patch(module: ModuleType) -> None:
    with contained(PART), _lock:
        if _meters is None:
            return
        for function in OPERATIONS:
            for name in (function, ASYNC_PREFIX + function):
                _replace(module, function, name)


def _replace(module: ModuleType, function: str, name: str) -> None:
    bare = getattr(module, name, None)
    if not callable(bare) or (name in _replaced and _replaced[name][0] is bare):
        return
    ours = recorded(function, bare, _find_meters, is_async=name != function)
    _replaced[name] = (ours, bare)
    setattr(module, name, ours)


class _Finder(MetaPathFinder):
    """Finds nothing itself: has LiteLLM's own loader tell when it is done."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """LiteLLM's spec as the other finders give it; None for every other module."""
        if fullname != LIBRARY:
            return None
        others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            _tell_when_executed(spec.loader)
        return spec


def _tell_when_executed(loader: Any) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        execute(module)
        _patch(module)

    # The loader stays of its own class: others ask it for resources and source.
    loader.exec_module = exec_module


_FINDER = _Finder()
