"""Owns how other meters of LiteLLM are set up for the table, each in a state that can be left again, so that it costs nobody but itself.

None is a dependency: those that are not installed are said to be missing. `benchmarks/overhead/peers.txt` installs what can be had together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks.overhead.ways import Way, bare

__all__ = ["NAMES", "make"]


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
    return bare(name, address, active=partial(_callback, callback), emits="span")


@contextmanager
def _callback(callback: Any) -> Iterator[None]:
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

    return _wrapping(name, address, LiteLLMInstrumentor())


def _openllmetry(name: str, address: str) -> Way:
    from opentelemetry.instrumentation.litellm import LiteLLMInstrumentor

    return _wrapping(name, address, LiteLLMInstrumentor(), emits="span, metrics")


def _wrapping(name: str, address: str, instrumentor: Any, emits: str = "span") -> Way:
    """What an instrumentor puts in the place of LiteLLM's functions, which themselves are put back."""
    import litellm

    functions = {each: getattr(litellm, each) for each in ("completion", "acompletion")}
    instrumentor.instrument()
    wrapped = {each: getattr(litellm, each) for each in functions}
    for each, function in functions.items():
        setattr(litellm, each, function)
    return bare(name, address, **wrapped, emits=emits)


_PEERS: Mapping[str, Callable[[str, str], Way]] = {
    "litellm-otel": _litellm_otel,
    "openinference": _openinference,
    "openllmetry": _openllmetry,
}
NAMES = tuple(_PEERS)
