"""The standard OpenTelemetry switch for `patching`: what `opentelemetry-instrument` and hosts' own start-up code call."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from agentcore_metering.adapters.django.instrumentation import patching

__all__ = ["LiteLLMMeteringInstrumentor"]


class LiteLLMMeteringInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # the extra's classes have no types here
    """Meters every call of LiteLLM that does not go through `LLMTracker`: a span, its metrics, and a row once Django is ready.

    `instrument()` takes `tracer_provider`, `meter_provider` and `logger_provider`; without them the global ones are meant. Both
    `instrument()` and `uninstrument()` may be called again.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """The releases of LiteLLM that this is for."""
        return ("litellm >= 1.83.14",)

    def _instrument(self, **kwargs: Any) -> None:
        names = ("tracer_provider", "meter_provider", "logger_provider")
        patching.install(**{name: kwargs.get(name) for name in names})

    def _uninstrument(self, **_kwargs: Any) -> None:
        patching.uninstall()
