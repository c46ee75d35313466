"""Others' instrumentations, switched on for the length of one test, and the calls that they would like to count."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from opentelemetry.sdk.trace import ReadableSpan

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.neighbours import Instrumentor, Obeys
from example.stub_provider import StubProvider
from tests.django.builders import KEY
from tests.telemetry.recording import RecordedTelemetry

HTTPX = Instrumentor(
    "opentelemetry-instrumentation-httpx",
    "opentelemetry.instrumentation.httpx",
    "HTTPXClientInstrumentor",
    Obeys.SUPPRESS_INSTRUMENTATION,
)
MESSAGES = [{"role": "user", "content": "hello there"}]


@contextmanager
def switched_on(instrumentor: Instrumentor, telemetry: RecordedTelemetry) -> Iterator[None]:
    """Skips the test, saying so, where the package is not installed."""
    module = pytest.importorskip(instrumentor.module, reason=f"{instrumentor.package} is not installed")
    _forget_clients()
    switch = getattr(module, instrumentor.class_name)()
    switch.instrument(tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider)
    if not switch.is_instrumented_by_opentelemetry:
        pytest.skip(f"{instrumentor.package} declines to instrument the installed client")
    try:
        yield
    finally:
        switch.uninstrument()


def _forget_clients() -> None:
    """Close the clients that LiteLLM has kept: they may hold methods from before they were wrapped."""
    cache = importlib.import_module("litellm").in_memory_llm_clients_cache
    for client in list(cache.cache_dict.values()):
        close = getattr(client, "close", None)
        if callable(close) and not inspect.iscoroutinefunction(close):
            close()
    cache.flush_cache()


def call_litellm(stub: StubProvider, messages: Sequence[Mapping[str, str]] = MESSAGES) -> None:
    """A call of LiteLLM itself."""
    litellm = importlib.import_module("litellm")
    place = {"api_base": stub.api_base("openai"), "api_key": KEY, "max_retries": 0}
    litellm.completion(model="openai/gpt-4o-mini", messages=list(messages), **place)


def call_past_us(
    stub: StubProvider, instrumentor: Instrumentor, messages: Sequence[Mapping[str, str]] = MESSAGES
) -> None:
    """A call that is not ours, made where the instrumentation stands.

    In LiteLLM, or in the OpenAI client: later releases of LiteLLM go past that client's methods, so that those who wrap them see nothing.
    """
    if instrumentor.sees_litellm:
        call_litellm(stub, messages)
        return
    openai = importlib.import_module("openai")
    with openai.OpenAI(api_key=KEY, base_url=stub.api_base("openai"), max_retries=0) as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=list(messages))


def call_in_mode(mode: str) -> Any:
    """One call by `LLMTracker`, in one of its ways."""
    if mode == "sync":
        return LLMTracker.call_and_track(messages=MESSAGES)
    if mode == "stream":
        return list(LLMTracker.call_and_track(messages=MESSAGES, stream=True))

    async def call() -> Any:
        try:
            if mode == "async":
                return await LLMTracker.acall_and_track(messages=MESSAGES)
            return [delta async for delta in await LLMTracker.acall_and_track(messages=MESSAGES, stream=True)]
        finally:
            await importlib.import_module("litellm").close_litellm_async_clients()

    return async_to_sync(call)()


def ours(spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
    return [span for span in spans if _scope(span) == semconv.SCOPE_NAME]


def of_scope(spans: Sequence[ReadableSpan], prefix: str) -> list[ReadableSpan]:
    return [span for span in spans if _scope(span).startswith(prefix)]


def counts_tokens(span: ReadableSpan) -> bool:
    """Whether a store of traces would add this span's tokens to its sums, by any of the names in use."""
    return any("token" in name and isinstance(value, int) for name, value in (span.attributes or {}).items())


def _scope(span: ReadableSpan) -> str:
    return span.instrumentation_scope.name if span.instrumentation_scope is not None else ""
