"""Owns how other meters of LiteLLM are set up for the table, each in a state that can be left again, so that it costs nobody but itself.

None is a dependency: those that are not installed are said to be missing. `benchmarks/overhead/peers.txt` says what installs them, and which
need an environment of their own. Each is set up as its own documents say, its defaults kept, but for what would leave the machine.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.overhead.host import MODEL, flush_with
from benchmarks.overhead.ways import Way, bare

__all__ = ["NAMES", "make"]

MODULES = ("litellm", "litellm.main")
FUNCTIONS = ("completion", "acompletion")


def make(name: str, address: str) -> list[Way]:
    """The way of this name, or none where its package is not installed, which is printed."""
    try:
        return [_PEERS[name](name, address)]
    except ImportError as error:
        print(f"{name}: not measured, {error}")
        return []


def _litellm_otel(name: str, address: str) -> Way:
    from litellm.integrations.opentelemetry import OpenTelemetry, OpenTelemetryConfig

    callback = OpenTelemetry(OpenTelemetryConfig(exporter="otlp_http", endpoint=f"{address}/v1/traces"))
    return bare(name, address, active=partial(_reporting_to, callback), emits="span", scope="litellm")


def _langfuse(name: str, address: str) -> Way:
    from litellm.integrations.langfuse.langfuse_prompt_management import LangfusePromptManagement

    os.environ |= {"LANGFUSE_HOST": address, "LANGFUSE_PUBLIC_KEY": "pk-nobody", "LANGFUSE_SECRET_KEY": "sk-nobody"}
    callback = LangfusePromptManagement()
    flush_with(callback.tracing.flush)
    return bare(name, address, active=partial(_reporting_to, callback), emits="span with cost", scope="langfuse-sdk")


@contextmanager
def _reporting_to(callback: Any) -> Iterator[None]:
    """LiteLLM reports to `callback` until the block ends."""
    import litellm

    lists = ("callbacks", "success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback")
    before = {name: list(getattr(litellm, name)) for name in lists}
    litellm.callbacks = [callback]
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(litellm, name, value)


def _openinference(name: str, address: str) -> Way:
    from openinference.instrumentation.litellm import LiteLLMInstrumentor  # type: ignore[import-not-found]  # optional

    wrapped = _wrapped_by(LiteLLMInstrumentor().instrument)
    return bare(name, address, **wrapped, emits="span with cost", scope="openinference.instrumentation.litellm")


def _openllmetry(name: str, address: str) -> Way:
    from opentelemetry.instrumentation.litellm import LiteLLMInstrumentor

    wrapped = _wrapped_by(LiteLLMInstrumentor().instrument)
    return bare(name, address, **wrapped, emits="span, metrics", scope="opentelemetry.instrumentation.litellm")


def _openlit(name: str, address: str) -> Way:
    import openlit  # type: ignore[import-not-found]  # optional
    from openlit._instrumentors import MODULE_NAME_MAP  # type: ignore[import-not-found]  # optional

    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = address
    with tempfile.NamedTemporaryFile("w", suffix=".json") as prices:
        # It would ask for its price list on the internet. In its form, prices are of a thousand tokens.
        Path(prices.name).write_text(
            f'{{"chat": {{"{MODEL}": {{"promptPrice": 0.00015, "completionPrice": 0.0006}}}}}}'
        )
        others = [each for each in MODULE_NAME_MAP if each != "litellm"]
        wrapped = _wrapped_by(lambda: openlit.init(disabled_instrumentors=others, pricing_json=prices.name))
    return bare(name, address, **wrapped, emits="span with cost, metrics", scope="openlit.instrumentation.litellm")


def _logfire(name: str, address: str) -> Way:
    import logfire  # type: ignore[import-not-found]  # optional
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exported = BatchSpanProcessor(OTLPSpanExporter(f"{address}/logfire/traces"))
    own = logfire.configure(local=True, send_to_logfire=False, console=False, additional_span_processors=[exported])
    flush_with(own.force_flush)
    return bare(
        name,
        address,
        **_wrapped_by(own.instrument_litellm),
        emits="span",
        scope="openinference.instrumentation.litellm",
    )


def _wrapped_by(instrument: Callable[[], Any]) -> dict[str, Any]:
    """What `instrument` puts in the place of LiteLLM's functions, which themselves are put back."""
    modules = [importlib.import_module(name) for name in MODULES]
    before = [(module, each, getattr(module, each)) for module in modules for each in FUNCTIONS]
    instrument()
    wrapped = {each: getattr(modules[0], each) for each in FUNCTIONS}
    for module, each, function in before:
        setattr(module, each, function)
    return wrapped


_PEERS: Mapping[str, Callable[[str, str], Way]] = {
    "litellm-otel": _litellm_otel,
    "openinference": _openinference,
    "openllmetry": _openllmetry,
    "openlit": _openlit,
    "logfire": _logfire,
    "langfuse": _langfuse,
}
NAMES = tuple(_PEERS)
