"""What is told of others in this process that count our calls too.

What is active is told by `telemetry.neighbours` and `core.otel_callbacks`; importing nothing, they see what the process has loaded.
"""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Info, Warning

from agentcore_metering.core.otel_callbacks import registered_otel_callbacks
from agentcore_metering.telemetry.neighbours import Instrumentor, Obeys, active_instrumentors

__all__ = ["check_neighbours"]

_INSTEAD = {
    "openlit": 'Pass disabled_instrumentors=["litellm", "openai"] to openlit.init(), and keep the rest of it.',
    "opentelemetry-instrumentation-openai-v2": (
        "Put opentelemetry-instrumentation-genai-openai, which has taken its place, into its stead: that one can be silenced."
    ),
    "opentelemetry-instrumentation-genai-openai": (
        "Upgrade opentelemetry-util-genai to 1.2b0 or later: since then it has a key that keeps it silent."
    ),
}


def check_neighbours(**_kwargs: Any) -> list[CheckMessage]:
    """W120, W121 and W123 for what counts our calls a second time, I122 for what costs us the HTTP spans while it is kept from that."""
    from agentcore_metering.adapters.django.instrumentation import patching

    found: list[CheckMessage] = []
    if callbacks := registered_otel_callbacks():
        found.append(_callback_warning(callbacks))
    for each in active_instrumentors():
        if each.obeys is Obeys.NOTHING:
            found.append(_deaf_warning(each))
        elif each.obeys is Obeys.SUPPRESS_INSTRUMENTATION:
            found.append(_no_http_spans(each))
        if each.sees_litellm and patching.is_covered():
            found.append(_outer_warning(each))
    return found


def _callback_warning(callbacks: tuple[str, ...]) -> CheckMessage:
    return Warning(
        f"LiteLLM's OpenTelemetry callback is registered ({', '.join(callbacks)}): it makes a span of its own, below ours, for each "
        "call of LLMTracker, so tokens and cost are in the traces twice, and in the metrics where it emits those.",
        hint="Take it out of litellm.callbacks, litellm.success_callback and litellm.failure_callback, unless all that LLMTracker "
        "does not call matters more; then leave scope 'litellm' out of sums.",
        id="agentcore_metering.W120",
    )


def _deaf_warning(instrumentor: Instrumentor) -> CheckMessage:
    return Warning(
        f"{instrumentor.package} ({instrumentor.module}) is switched on and cannot be kept from counting the calls of LLMTracker "
        "a second time: it obeys no context key.",
        hint=_INSTEAD[instrumentor.package],
        id="agentcore_metering.W121",
    )


def _outer_warning(instrumentor: Instrumentor) -> CheckMessage:
    return Warning(
        f"{instrumentor.package} was switched on after LiteLLM's functions were instrumented here, so it stands around ours: calls of "
        "LiteLLM that do not go through LLMTracker are counted by both.",
        hint=f"Switch one of the two off, or {instrumentor.module}.{instrumentor.class_name} on before LiteLLMMeteringInstrumentor, "
        "which then keeps it silent.",
        id="agentcore_metering.W123",
    )


def _no_http_spans(instrumentor: Instrumentor) -> CheckMessage:
    return Info(
        f"{instrumentor.package} obeys suppress_instrumentation() alone, so that is set during calls of LLMTracker. They are counted "
        "once, but have no spans of HTTP clients below them.",
        hint=f"Switch {instrumentor.module}.{instrumentor.class_name} off to have those spans; LLMTracker's calls have theirs without it.",
        id="agentcore_metering.I122",
    )
