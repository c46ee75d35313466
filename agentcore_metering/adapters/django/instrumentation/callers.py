"""Who makes a call of LiteLLM's: what `state` is to the tracker, for calls that have no such argument."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from agentcore_metering.adapters.django.trackers.state import parse_state
from agentcore_metering.core.types import EMPTY, CallContext

__all__ = ["METADATA_KEY", "caller_of", "metering_state"]

METADATA_KEY = "agentcore_metering"
"""Under this key of LiteLLM's `metadata`, or `litellm_metadata`, one call may say it itself."""

_state: ContextVar[Mapping[str, Any]] = ContextVar("agentcore_metering_state", default=EMPTY)


@contextmanager
def metering_state(state: Mapping[str, Any]) -> Iterator[None]:
    """Say who makes the calls of LiteLLM inside the block, by the keys of `LLMTracker`'s `state`.

    It holds for the threads and tasks that the block's context goes to; an inner block adds to it. `state` itself is not changed.
    """
    token = _state.set({**_state.get(), **state})
    try:
        yield
    finally:
        _state.reset(token)


def caller_of(arguments: Mapping[str, Any]) -> CallContext:
    """Who makes the call with these arguments: what the block around it says, and over that its own metadata."""
    state = dict(_state.get())
    for name in ("metadata", "litellm_metadata"):
        metadata = arguments.get(name)
        own = metadata.get(METADATA_KEY) if isinstance(metadata, Mapping) else None
        state.update(own if isinstance(own, Mapping) else {})
    return parse_state(state, None)
