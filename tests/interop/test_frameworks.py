"""Frameworks that call LiteLLM themselves, with nothing changed in them: each of their calls is one row and one span."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agentcore_metering.adapters.django import LLMTracker, runtime
from agentcore_metering.adapters.django.instrumentation import metering_state, patching
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider, directive
from tests.django.builders import KEY, make_stub_config
from tests.telemetry.recording import RecordedTelemetry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.filterwarnings("ignore")]

TEXT = directive(in_=7, out=5, text="one two three", chunks=3)


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    patching.install()
    yield
    patching.uninstall()


@pytest.fixture
def model(stub: StubProvider) -> Any:
    """LangChain's chat model over LiteLLM, made after LiteLLM's functions were replaced, as a host's is."""
    langchain = pytest.importorskip("langchain_litellm", reason="langchain-litellm is not installed")
    return langchain.ChatLiteLLM(
        model="openai/gpt-4o-mini", api_key=KEY, api_base=stub.api_base(), max_retries=0, stream_usage=True
    )


def ask(model: Any, way: str) -> str:
    if way == "invoke":
        return str(model.invoke(TEXT).content)
    if way == "stream":
        return "".join(str(chunk.content) for chunk in model.stream(TEXT))

    async def main() -> str:
        import litellm

        try:
            if way == "ainvoke":
                return str((await model.ainvoke(TEXT)).content)
            return "".join([str(chunk.content) async for chunk in model.astream(TEXT)])
        finally:
            await litellm.close_litellm_async_clients()

    return async_to_sync(main)()


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
def test_langchains_call_is_one_row_and_one_span(
    stub: StubProvider, telemetry: RecordedTelemetry, model: Any, way: str
) -> None:
    with metering_state({"node_name": "agent", "conversation_id": "talk-7"}):
        said = ask(model, way)

    assert runtime.flush(10)
    row = LLMUsage.objects.get()
    assert said == "one two three"
    assert (row.status, row.prompt_tokens, row.completion_tokens, row.node_name) == ("succeeded", 7, 5, "agent")
    assert (telemetry.span.attributes or {})[semconv.CONVERSATION_ID] == "talk-7"
    assert len(stub.requests) == 1


def test_langchain_and_the_tracker_side_by_side_are_counted_once_each(
    stub: StubProvider, telemetry: RecordedTelemetry, model: Any
) -> None:
    make_stub_config(stub)

    ask(model, "invoke")
    LLMTracker.call_and_track([{"role": "user", "content": TEXT}])

    assert runtime.flush(10)
    assert LLMUsage.objects.count() == len(telemetry.spans) == len(stub.requests) == 2
