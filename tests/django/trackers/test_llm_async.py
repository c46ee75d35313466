"""`acall_and_track` over real LiteLLM and real HTTP; the ORM stays off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from agentcore_metering.adapters.django import LLMTracker, runtime
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider, directive
from tests.django.builders import make_stub_config
from tests.django.trackers.test_llm import PROVIDERS, assert_three_traces_agree, wait_for
from tests.litellm_clients import close_clients
from tests.telemetry.recording import RecordedTelemetry

# As a host's asynchronous view: Django's own handler drives the loop, the ORM runs in the thread that it came from.
pytestmark = pytest.mark.django_db


def run(case: Callable[[], Any]) -> Any:
    async def main() -> Any:
        try:
            return await case()
        finally:
            # LiteLLM keeps a client for every loop and leaves its connections open when the loop ends.
            await close_clients()

    return async_to_sync(main)()


def ask(text: str = "hello", **options: Any) -> Any:
    return LLMTracker.acall_and_track(messages=[{"role": "user", "content": text}], **options)


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
def test_a_call_leaves_three_traces_that_agree(
    stub: StubProvider, telemetry: RecordedTelemetry, provider: str, model: str
) -> None:
    make_stub_config(stub, provider, model)
    state: dict[str, Any] = {}

    async def case() -> Any:
        return await ask("hello " + directive(in_=100, out=40, cached=30), state=state)

    _, usage = run(case)

    row = LLMUsage.objects.get()
    assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (100, 40, 30)
    assert usage["cost"] == float(row.cost or 0)
    assert len(state["llm_calls"]) == 1
    assert_three_traces_agree(telemetry)


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
def test_a_stream_leaves_three_traces_that_agree(
    stub: StubProvider, telemetry: RecordedTelemetry, provider: str, model: str
) -> None:
    make_stub_config(stub, provider, model)

    async def case() -> Any:
        stream = await ask(directive(in_=100, out=40, text="  Hi  there\n", chunks=4), stream=True)
        text = "".join([text async for kind, text in stream if kind == "content"])
        return text, stream.result

    text, usage = run(case)

    assert text == "  Hi  there\n"
    assert usage["_finish_reason"] == "stop"
    assert LLMUsage.objects.get().completion_tokens == 40
    assert_three_traces_agree(telemetry)


def test_many_at_once_are_all_metered(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    async def case() -> None:
        await asyncio.gather(*(ask(directive(in_=10, out=number)) for number in range(1, 21)))

    run(case)

    assert sorted(LLMUsage.objects.values_list("completion_tokens", flat=True)) == list(range(1, 21))
    assert_three_traces_agree(telemetry)


def test_spans_of_gathered_calls_keep_their_callers_span(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)
    tracer = telemetry.tracer_provider.get_tracer("host")

    async def branch(name: str) -> None:
        with tracer.start_as_current_span(name):
            await ask(directive(in_=1, out=1))

    async def case() -> None:
        await asyncio.gather(*(branch(f"branch-{number}") for number in range(5)))

    run(case)

    parents = {span.context.span_id: span.name for span in telemetry.spans if span.name.startswith("branch")}  # type: ignore[union-attr]
    llm_spans = [span for span in telemetry.spans if semconv.CALL_ID in (span.attributes or {})]
    assert sorted(parents[span.parent.span_id] for span in llm_spans) == sorted(parents.values())  # type: ignore[union-attr]


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_call_is_one_cancelled_row(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    async def case() -> None:
        task = asyncio.ensure_future(ask(directive(delay_s=30)))
        while not stub.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(case)
    runtime.flush(10)

    row = LLMUsage.objects.get()
    assert (row.status, row.cost, row.usage_source) == ("cancelled", None, "none")
    assert_three_traces_agree(telemetry)


def test_a_stream_that_is_left_ends_its_response(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    async def case() -> None:
        stream = await ask(directive(chunks=2000, text="word " * 2000, chunk_delay_s=0.002), stream=True)
        await anext(stream)
        await stream.aclose()
        wait_for(lambda: stub.requests[0].outcome == "client_left")

    run(case)

    assert LLMUsage.objects.get().status == "cancelled"
    assert_three_traces_agree(telemetry)


def test_sync_calls_work_on_an_event_loop_too(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    async def case() -> None:
        await asyncio.to_thread(lambda: None)
        await ask()

    run(case)

    assert LLMUsage.objects.count() == 1
