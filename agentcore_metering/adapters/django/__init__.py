"""The Django app and its front door.

`LLMTracker` and `DecisionTracker` are looked up when they are first asked for: importing this package before `django.setup()` loads neither models nor LiteLLM.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentcore_metering.adapters.django.trackers.decision import DecisionTracker
    from agentcore_metering.adapters.django.trackers.llm import LLMTracker

__all__ = ["DecisionTracker", "LLMTracker"]

_HOMES = {
    "DecisionTracker": "agentcore_metering.adapters.django.trackers.decision",
    "LLMTracker": "agentcore_metering.adapters.django.trackers.llm",
}


def __getattr__(name: str) -> Any:
    """The public name, imported now. Not kept here, so that a test that patches it in its home is seen."""
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """The module's names, the lazy ones too."""
    return sorted({*globals(), *_HOMES})
