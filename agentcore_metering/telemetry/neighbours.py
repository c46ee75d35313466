"""Which other instrumentations of language models are switched on in this process, and what each of them obeys.

Owns that table and the context keys that silence the others while we count a call. What an operator is told of them is the adapter's.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from opentelemetry import context as context_api
from opentelemetry.context import Context

from agentcore_metering.core.types import Operation
from agentcore_metering.telemetry import semconv

__all__ = ["INSTRUMENTORS", "Instrumentor", "Obeys", "active_instrumentors", "suppressing"]


class Obeys(StrEnum):
    """What keeps an instrumentation from counting a call that is counted already."""

    UTIL_GENAI_KEY = "the context key of opentelemetry-util-genai"
    LANGUAGE_MODEL_KEY = "OpenLLMetry's context key"
    SUPPRESS_INSTRUMENTATION = "suppress_instrumentation()"
    """OpenTelemetry's switch for everything, HTTP clients among it."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Instrumentor:
    """One instrumentation that sees calls of LiteLLM's, or of the OpenAI client below it."""

    package: str
    """As it is installed."""
    module: str
    class_name: str
    obeys: Obeys

    @property
    def sees_litellm(self) -> bool:
        """Whether it stands in LiteLLM itself, rather than in a client below it."""
        return self.class_name == _LITELLM

    @property
    def is_active(self) -> bool:
        """Whether it is loaded and switched on. Nothing is imported or made for that."""
        instance = getattr(getattr(sys.modules.get(self.module), self.class_name, None), "_instance", None)
        return getattr(instance, "is_instrumented_by_opentelemetry", False) is True


_OPENAI, _LITELLM = "OpenAIInstrumentor", "LiteLLMInstrumentor"
_OFFICIAL, _OPENINFERENCE = "opentelemetry.instrumentation", "openinference.instrumentation"

INSTRUMENTORS: tuple[Instrumentor, ...] = (
    Instrumentor(
        "opentelemetry-instrumentation-genai-openai", f"{_OFFICIAL}.genai.openai", _OPENAI, Obeys.UTIL_GENAI_KEY
    ),
    Instrumentor("opentelemetry-instrumentation-openai-v2", f"{_OFFICIAL}.openai_v2", _OPENAI, Obeys.NOTHING),
    Instrumentor("opentelemetry-instrumentation-openai", f"{_OFFICIAL}.openai", _OPENAI, Obeys.LANGUAGE_MODEL_KEY),
    Instrumentor("opentelemetry-instrumentation-litellm", f"{_OFFICIAL}.litellm", _LITELLM, Obeys.LANGUAGE_MODEL_KEY),
    Instrumentor(
        "openinference-instrumentation-openai", f"{_OPENINFERENCE}.openai", _OPENAI, Obeys.SUPPRESS_INSTRUMENTATION
    ),
    Instrumentor(
        "openinference-instrumentation-litellm", f"{_OPENINFERENCE}.litellm", _LITELLM, Obeys.SUPPRESS_INSTRUMENTATION
    ),
    Instrumentor("openlit", "openlit.instrumentation.openai", _OPENAI, Obeys.NOTHING),
    Instrumentor("openlit", "openlit.instrumentation.litellm", _LITELLM, Obeys.NOTHING),
)

_NEED_SUPPRESS_ALL = tuple(each for each in INSTRUMENTORS if each.obeys is Obeys.SUPPRESS_INSTRUMENTATION)


def active_instrumentors() -> tuple[Instrumentor, ...]:
    """Those that are switched on now. One that is too old for the key that its later releases obey, obeys nothing."""
    found = []
    for each in INSTRUMENTORS:
        if each.is_active:
            is_deaf = each.obeys is Obeys.UTIL_GENAI_KEY and util_genai_slot(Operation.CHAT) is None
            found.append(Instrumentor(each.package, each.module, each.class_name, Obeys.NOTHING) if is_deaf else each)
    return tuple(found)


@functools.cache
def util_genai_slot(operation: Operation) -> tuple[str, Callable[[], object]] | None:
    """The context key and data class that silence OpenTelemetry's own GenAI instrumentations; None without them."""
    try:
        module = importlib.import_module(semconv.UTIL_GENAI_MODULE)
    except ImportError:
        return None
    is_embeddings = operation is Operation.EMBEDDINGS
    keys, data_class = semconv.UTIL_GENAI_EMBEDDINGS if is_embeddings else semconv.UTIL_GENAI_INFERENCE
    key = next((getattr(module, name) for name in keys if hasattr(module, name)), None)
    data = getattr(module, data_class, None)
    return (key, data) if key is not None and data is not None else None


def suppressing(context: Context, operation: Operation) -> Context:
    """`context` plus the keys that keep other instrumentations of language models from counting the same call.

    HTTP spans stay, except beside an instrumentation that obeys nothing but the switch for everything: there counting once goes first.
    """
    context = context_api.set_value(semconv.OPENLLMETRY_SUPPRESSION_KEY, True, context)
    if (slot := util_genai_slot(operation)) is not None:
        key, data = slot
        context = context_api.set_value(key, data(), context)
    if any(each.is_active for each in _NEED_SUPPRESS_ALL):
        context = context_api.set_value(_suppress_all_key(), True, context)
    return context


def _suppress_all_key() -> str:
    # Private by its name, and yet what every instrumentation imports to ask for it.
    return str(context_api._SUPPRESS_INSTRUMENTATION_KEY)  # noqa: SLF001
