"""Streams in the places where hosts have them: in views, and before providers that fall silent."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import AsyncClient, Client
from pytest_django import Settings

from agentcore_metering.adapters.django import LLMTracker, runtime
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider, directive
from tests.django.builders import make_stub_config
from tests.django.trackers import streaming_urls
from tests.django.trackers.operation_cases import BY_FUNCTION, run
from tests.django.trackers.test_llm import PROVIDERS, assert_three_traces_agree, drain
from tests.telemetry.recording import RecordedTelemetry

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.django.trackers.streaming_urls")]


def assert_the_views_span_is_the_parent(telemetry: RecordedTelemetry) -> None:
    [view] = [span for span in telemetry.spans if span.name == "view"]
    [call] = [span for span in telemetry.spans if semconv.CALL_ID in (span.attributes or {})]
    assert call.parent is not None
    assert call.parent.span_id == view.context.span_id  # type: ignore[union-attr]
    assert call.end_time > view.end_time  # type: ignore[operator]
    assert LLMUsage.objects.get().status == "succeeded"
    assert_three_traces_agree(telemetry)


@pytest.fixture
def traced_views(telemetry: RecordedTelemetry, monkeypatch: pytest.MonkeyPatch) -> RecordedTelemetry:
    tracer = telemetry.tracer_provider.get_tracer("host")
    monkeypatch.setattr(streaming_urls, "tracer", tracer)
    return telemetry


def test_a_stream_read_after_a_wsgi_view_keeps_the_views_span(
    stub: StubProvider, traced_views: RecordedTelemetry
) -> None:
    make_stub_config(stub)

    response: Any = Client().get("/answer/")

    assert b"".join(response.streaming_content) == b"Hi there"
    assert_the_views_span_is_the_parent(traced_views)


def test_a_stream_read_after_an_asgi_view_keeps_the_views_span(
    stub: StubProvider, traced_views: RecordedTelemetry
) -> None:
    make_stub_config(stub)

    async def request() -> bytes:
        response: Any = await AsyncClient().get("/async-answer/")
        return b"".join([piece async for piece in response.streaming_content])

    assert run(request) == b"Hi there"
    assert_the_views_span_is_the_parent(traced_views)


@pytest.fixture
def warm_litellm(stub: StubProvider) -> None:
    """LiteLLM loads its parts at a provider's first call, which takes longer than the timeouts below."""

    async def warm() -> None:
        import litellm

        for provider, model in PROVIDERS:
            address = {"api_base": stub.api_base(provider), "api_key": "warm-up"}
            stream = await litellm.acompletion(
                model=f"{provider}/{model}", messages=[{"role": "user", "content": "hi"}], stream=True, **address
            )
            async for _ in stream:
                pass

    run(warm)
    stub.clear()


@pytest.mark.usefixtures("warm_litellm")
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "silence", [{"hang_after": 1, "text": "one two three four"}, {"delay_s": 30}], ids=["hangs", "never-begins"]
)
@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
def test_a_silent_provider_does_not_keep_the_caller(
    stub: StubProvider, telemetry: RecordedTelemetry, provider: str, model: str, silence: dict[str, Any], mode: str
) -> None:  # fmt: skip
    make_stub_config(stub, provider, model, config={"request_timeout_seconds": 1, "num_retries": 0})
    messages = [{"role": "user", "content": directive(**silence)}]

    async def read() -> None:
        async for _ in await LLMTracker.acall_and_track(messages=messages, stream=True):
            pass

    began_s = time.monotonic()
    work = (
        (lambda: run(read))
        if mode == "async"
        else lambda: drain(LLMTracker.call_and_track(messages=messages, stream=True))
    )
    with pytest.raises(Exception):  # noqa: B017, PT011 - LiteLLM's class for it changes with its releases
        work()

    assert time.monotonic() - began_s < 10
    row = LLMUsage.objects.get()
    assert row.status == "failed"
    assert len(stub.requests) == 1
    assert_three_traces_agree(telemetry)


@pytest.mark.usefixtures("warm_litellm")
@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("said", [0, 1], ids=["never-begins", "hangs"])
@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
def test_a_provider_that_only_keeps_the_connection_alive_is_cut_by_the_total_limit(
    stub: StubProvider, telemetry: RecordedTelemetry, provider: str, model: str, said: int, mode: str
) -> None:  # fmt: skip
    make_stub_config(stub, provider, model, config={"stream_total_timeout_seconds": 0.5, "num_retries": 3})
    messages = [{"role": "user", "content": directive(hang_after=said, text="one two three four", keep_alive_s=0.02)}]

    async def read() -> None:
        async for _ in await LLMTracker.acall_and_track(messages=messages, stream=True):
            pass

    began_s = time.monotonic()
    with pytest.raises(TimeoutError, match="stream_total_timeout_seconds"):
        run(read) if mode == "async" else drain(LLMTracker.call_and_track(messages=messages, stream=True))

    assert time.monotonic() - began_s < 10
    row = LLMUsage.objects.get()
    assert (row.status, row.error_type) == ("failed", "TimeoutError")
    assert len(stub.requests) == 1
    assert_three_traces_agree(telemetry)


@pytest.mark.parametrize("function", [name for name, case in BY_FUNCTION.items() if case.can_stream])
def test_other_functions_streams_are_cut_by_the_total_limit_too(stub: StubProvider, function: str) -> None:
    case = BY_FUNCTION[function]
    case.make_config(stub)
    list(case.call(directive(text="warm up"), stream=True))
    LLMConfig.objects.all().delete()
    case.make_config(stub, stream_total_timeout_seconds=0.5)
    text = directive(hang_after=1, text="one two three four", keep_alive_s=0.02)

    with pytest.raises(TimeoutError, match="stream_total_timeout_seconds"):
        list(case.call(text, stream=True))

    assert LLMUsage.objects.filter(status="failed", error_type="TimeoutError").count() == 1


def test_a_stream_that_was_cut_leaves_the_client_usable(stub: StubProvider) -> None:
    # Enough for the second call on a busy machine: with another limit LiteLLM would take another client.
    make_stub_config(stub, config={"stream_total_timeout_seconds": 2, "num_retries": 0})
    silent = [{"role": "user", "content": directive(hang_after=1, text="one two", keep_alive_s=0.02)}]
    spoken = [{"role": "user", "content": directive(text="one two")}]

    with pytest.raises(TimeoutError):
        drain(LLMTracker.call_and_track(messages=silent, stream=True))

    assert "".join(text for _kind, text in LLMTracker.call_and_track(messages=spoken, stream=True)) == "one two"


def test_an_idle_timeout_of_its_own_cuts_earlier_than_the_deadline(stub: StubProvider) -> None:
    make_stub_config(stub, config={"stream_idle_timeout_seconds": 0.3, "num_retries": 0})
    messages = [{"role": "user", "content": directive(hang_after=1, text="one two three four")}]

    with pytest.raises(Exception):  # noqa: B017, PT011 - LiteLLM's class for it changes with its releases
        drain(LLMTracker.call_and_track(messages=messages, stream=True))

    assert LLMUsage.objects.get().status == "failed"


def test_a_total_limit_cuts_a_flowing_stream(stub: StubProvider) -> None:
    make_stub_config(stub, config={"stream_total_timeout_seconds": 0.3})
    # LiteLLM takes a chunk that comes again and again for a fault.
    text = directive(chunks=2000, text=" ".join(map(str, range(2000))), chunk_delay_s=0.002)

    async def read() -> None:
        async for _ in await LLMTracker.acall_and_track(messages=[{"role": "user", "content": text}], stream=True):
            pass

    with pytest.raises(TimeoutError, match="stream_total_timeout_seconds"):
        run(read)

    row = LLMUsage.objects.get()
    assert (row.status, row.error_type, row.usage_source) == ("failed", "TimeoutError", "estimated")


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
def test_a_stream_without_litellms_own_logging_is_metered_alike(
    stub: StubProvider,
    telemetry: RecordedTelemetry,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    provider: str,
    model: str,
) -> None:
    import litellm

    monkeypatch.setattr(litellm, "disable_streaming_logging", False)
    make_stub_config(stub, provider=provider, model=model)
    for is_disabled in (False, True):
        settings.AGENTCORE_METERING_DISABLE_LITELLM_STREAM_LOGGING = is_disabled
        runtime.reset()
        drain(LLMTracker.call_and_track(messages=[{"role": "user", "content": "hi"}], stream=True))
        assert litellm.disable_streaming_logging is is_disabled

    figures = LLMUsage.objects.values_list("status", "prompt_tokens", "completion_tokens", "cost", "cost_status")
    assert len(set(figures)) == 1
    assert len(figures) == 2
