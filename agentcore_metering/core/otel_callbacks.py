"""LiteLLM's own OpenTelemetry callbacks: whether the host has registered any, and how they are told whose child their span is.

LiteLLM is not imported for that: what was never imported has no callbacks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from agentcore_metering.core.types import TraceLink

__all__ = ["registered_otel_callbacks", "with_parent"]

_NAMES = frozenset(
    {
        "agentops",
        "arize",
        "arize_phoenix",
        "langfuse_otel",
        "langtrace",
        "levo",
        "logfire",
        "newrelic",
        "otel",
        "signoz",
        "traceloop",
        "weave_otel",
    }
)
"""The names under which LiteLLM knows its callbacks that write OpenTelemetry spans."""
_CLASSES = frozenset({"OpenTelemetry", "OpenTelemetryV2"})
"""What their classes, and those that hosts derive from them, descend from."""
_LISTS = ("callbacks", "success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback")
_REQUEST, _HEADERS, _TRACEPARENT = "proxy_server_request", "headers", "traceparent"


def registered_otel_callbacks() -> tuple[str, ...]:
    """Their names, each once, in the order in which they were registered."""
    litellm = sys.modules.get("litellm")
    registered = (callback for name in _LISTS for callback in getattr(litellm, name, None) or ())
    return tuple(dict.fromkeys(_named(registered)))


def with_parent(arguments: Mapping[str, Any], span: TraceLink | None) -> Mapping[str, Any]:
    """`arguments` with `span` as the parent of LiteLLM's own spans; unchanged where it makes none, or where they name a parent.

    Without it such a callback takes the span that is current, which is ours and mostly over by then, and writes its own attributes,
    contents among them, on that in place of a span of its own.
    """
    if span is None or not registered_otel_callbacks():
        return arguments
    request = arguments.get(_REQUEST) or {}
    headers = request.get(_HEADERS) or {}
    if headers.get(_TRACEPARENT):
        return arguments
    return {**arguments, _REQUEST: {**request, _HEADERS: {**headers, _TRACEPARENT: span.traceparent}}}


def _named(callbacks: Iterable[Any]) -> Iterable[str]:
    for callback in callbacks:
        if isinstance(callback, str):
            if callback in _NAMES:
                yield callback
        elif not _CLASSES.isdisjoint(base.__name__ for base in type(callback).__mro__):
            yield getattr(callback, "callback_name", None) or type(callback).__name__
