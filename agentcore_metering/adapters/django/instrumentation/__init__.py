"""The second door: calls of LiteLLM that the host, or a framework that it uses, makes without `LLMTracker`, metered all the same.

`LiteLLMMeteringInstrumentor` is looked up when it is first asked for, since it needs the extra `otel`. Nothing here needs Django's
settings before it is called, and LiteLLM is not imported for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentcore_metering.adapters.django.instrumentation.callers import metering_state

if TYPE_CHECKING:
    from agentcore_metering.adapters.django.instrumentation.instrumentor import LiteLLMMeteringInstrumentor

__all__ = ["LiteLLMMeteringInstrumentor", "metering_state"]


def __getattr__(name: str) -> Any:
    """The instrumentor, imported now."""
    if name != "LiteLLMMeteringInstrumentor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agentcore_metering.adapters.django.instrumentation import instrumentor

    return instrumentor.LiteLLMMeteringInstrumentor
