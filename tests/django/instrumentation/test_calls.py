"""Calls that do not go through the tracker, over real LiteLLM and real sockets: one row and one span each, whatever happens."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable
from typing import Any

import litellm
import pytest

from agentcore_metering.adapters.django import LLMTracker, runtime
from agentcore_metering.adapters.django.instrumentation import metering_state, patching
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider, directive
from tests.django.builders import KEY, make_stub_config, make_user
from tests.django.instrumentation.direct_cases import BY_FUNCTION, CASES, STREAMS, DirectCase
from tests.django.trackers.operation_cases import run
from tests.django.trackers.test_llm import assert_three_traces_agree, wait_for
from tests.telemetry.recording import RecordedTelemetry

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("instrumented"),
    # LiteLLM leaves sessions and tasks of its own behind, with us or without.
    pytest.mark.filterwarnings(
        "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine:RuntimeWarning"
    ),
]

CHAT = BY_FUNCTION["completion"]
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.function)
EACH_STREAM = pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.function)
EACH_MODE = pytest.mark.parametrize("mode", ["sync", "async"])


def ask(case: DirectCase, mode: str, stub: StubProvider, text: str, **options: Any) -> Any:
    return case.call(stub, text, **options) if mode == "sync" else run(lambda: case.acall(stub, text, **options))


def read_stream(case: DirectCase, mode: str, stub: StubProvider, text: str, **options: Any) -> list[Any]:
    if mode == "sync":
        return list(case.call(stub, text, stream=True, **options))

    async def consume() -> list[Any]:
        return [chunk async for chunk in await case.acall(stub, text, stream=True, **options)]

    return run(consume)  # type: ignore[no-any-return]


def text_of(case: DirectCase, chunks: list[Any]) -> str:
    if case.function == "responses":
        return "".join(chunk.delta for chunk in chunks if chunk.type == "response.output_text.delta")
    choices = [choice for chunk in chunks for choice in chunk.choices]
    return "".join(
        (choice.text if case.function == "text_completion" else choice.delta.content) or "" for choice in choices
    )


def under_a_span(telemetry: RecordedTelemetry, work: Callable[[], Any]) -> LLMUsage:
    """Run `work` as a host's view does; the one row of it, which has the one span."""
    with telemetry.tracer_provider.get_tracer("host").start_as_current_span("view") as view:
        work()
    runtime.flush(10)
    row = LLMUsage.objects.get()
    [span] = [span for span in telemetry.spans if semconv.CALL_ID in (span.attributes or {})]
    assert span.parent is not None
    assert span.parent.span_id == view.get_span_context().span_id
    assert (span.attributes or {})[semconv.USAGE_ID] == str(row.id)
    assert KEY not in str(dict(span.attributes or {})) + str(row.__dict__)
    assert_three_traces_agree(telemetry)
    return row


@EACH_MODE
@EACH
def test_an_answer_is_litellms_own_and_metered_once(
    stub: StubProvider, telemetry: RecordedTelemetry, case: DirectCase, mode: str
) -> None:
    answers: list[Any] = []

    row = under_a_span(
        telemetry, lambda: answers.append(ask(case, mode, stub, directive(in_=7, out=5, text="hi there")))
    )

    assert type(answers[0]).__module__.startswith("litellm.")
    assert (row.operation, row.status, row.model) == (case.of.operation, "succeeded", case.model)
    assert (row.prompt_tokens, row.completion_tokens) == case.of.tokens
    assert row.config_uuid is None
    assert len(stub.requests) == 1
    span = next(span for span in telemetry.spans if span.name != "view")
    assert span.name == f"{case.of.operation} {case.of.model}"
    assert (span.attributes or {})["server.address"] == "127.0.0.1"


@EACH_MODE
@EACH_STREAM
def test_a_stream_gives_the_same_chunks_and_is_metered_once(
    stub: StubProvider, telemetry: RecordedTelemetry, case: DirectCase, mode: str
) -> None:
    text, streams = "  Hi  there\n\u00fc", []

    row = under_a_span(
        telemetry,
        lambda: streams.append(read_stream(case, mode, stub, directive(in_=7, out=5, text=text, chunks=4))),
    )

    assert text_of(case, streams[0]) == text
    assert (row.prompt_tokens, row.completion_tokens, row.usage_source) == (7, 5, "provider")
    assert (row.is_streaming, row.cost_source, row.finish_reason) == (True, "price_map", "stop")
    assert row.first_chunk_at is not None
    assert len(stub.requests) == 1


@EACH_MODE
@EACH
def test_a_failure_is_the_providers_own_and_one_failed_row(
    stub: StubProvider, telemetry: RecordedTelemetry, case: DirectCase, mode: str
) -> None:
    patching.uninstall()
    with pytest.raises(Exception) as bare:  # noqa: PT011 - LiteLLM's class for it differs with function and mode
        ask(case, mode, stub, directive(status=401, echo_key=1))
    stub.clear()
    patching.install()
    caught: list[BaseException] = []

    def work() -> None:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - as above
            ask(case, mode, stub, directive(status=401, echo_key=1))
        caught.append(raised.value)

    row = under_a_span(telemetry, work)

    assert (row.status, row.completion_tokens, row.error_type) == ("failed", 0, type(caught[0]).__name__)
    assert (type(caught[0]), str(caught[0])) == (type(bare.value), str(bare.value))
    assert len(stub.requests) == 1


@EACH_MODE
@EACH_STREAM
def test_a_stream_that_breaks_keeps_what_came(
    stub: StubProvider, telemetry: RecordedTelemetry, case: DirectCase, mode: str
) -> None:
    def work() -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011 - LiteLLM's class for it changes with its releases
            read_stream(case, mode, stub, directive(chunks=6, break_after=3, text="one two three four five six"))

    row = under_a_span(telemetry, work)

    assert (row.status, row.usage_source) == ("failed", "estimated")
    assert row.completion_tokens > 0


@pytest.mark.django_db(transaction=True)
@EACH
def test_a_cancelled_task_is_one_cancelled_row(
    stub: StubProvider, telemetry: RecordedTelemetry, case: DirectCase
) -> None:
    async def leave() -> None:
        task = asyncio.ensure_future(case.acall(stub, directive(delay_s=30)))
        while not stub.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert under_a_span(telemetry, lambda: run(leave)).status == "cancelled"


@EACH_MODE
@EACH_STREAM
def test_a_stream_that_is_closed_is_one_cancelled_row(
    stub: StubProvider, telemetry: RecordedTelemetry, case: DirectCase, mode: str
) -> None:
    long = directive(chunks=2000, text="word " * 2000, chunk_delay_s=0.002)

    async def leave() -> None:
        stream = await case.acall(stub, long, stream=True)
        async for chunk in stream:
            if text_of(case, [chunk]):
                break
        await stream.aclose()

    def work() -> None:
        if mode == "async":
            run(leave)
            return
        stream = case.call(stub, long, stream=True)
        next(chunk for chunk in stream if text_of(case, [chunk]))
        stream.close()
        wait_for(lambda: stub.requests[0].outcome == "client_left")

    row = under_a_span(telemetry, work)

    assert (row.status, row.usage_source) == ("cancelled", "estimated")
    assert row.completion_tokens > 0


@pytest.mark.django_db(transaction=True)
@EACH_STREAM
def test_a_stream_that_is_dropped_is_one_cancelled_row(
    stub: StubProvider, telemetry: RecordedTelemetry, case: DirectCase
) -> None:
    def work() -> None:
        stream = case.call(stub, directive(chunks=2000, text="word " * 2000, chunk_delay_s=0.002), stream=True)
        next(stream)
        del stream
        gc.collect()
        wait_for(lambda: stub.requests[0].outcome == "client_left")

    assert under_a_span(telemetry, work).status == "cancelled"


def test_a_stream_looks_like_litellms_own(stub: StubProvider) -> None:
    stream = CHAT.call(stub, directive(text="one two"), stream=True)

    assert isinstance(stream, litellm.CustomStreamWrapper)
    assert stream.custom_llm_provider == "openai"
    stream.note = "the host's"
    list(stream)
    assert stream.note == "the host's"
    assert litellm.stream_chunk_builder(stream.chunks).choices[0].message.content == "one two"
    with pytest.raises(AttributeError, match="no_such_thing"):
        stream.no_such_thing  # noqa: B018 - the access is the test
    with pytest.raises(StopIteration):
        next(stream)


def test_a_stream_without_usage_is_estimated_and_changes_nothing_for_the_host(stub: StubProvider) -> None:
    chunks = list(CHAT.call(stub, directive(text="one two three"), stream=True, stream_options=None))

    row = LLMUsage.objects.get()
    assert (row.usage_source, row.status) == ("estimated", "succeeded")
    assert [chunk for chunk in chunks if getattr(chunk, "usage", None)] == []


@EACH_MODE
@EACH
def test_a_call_of_the_tracker_is_not_counted_again(
    stub: StubProvider, telemetry: RecordedTelemetry, case: DirectCase, mode: str
) -> None:
    case.of.make_config(stub)

    def by_the_tracker() -> Any:
        if case.function == "completion":
            if mode == "sync":
                return LLMTracker.call_and_track(**case.of.given(directive(in_=7, out=5)))
            return run(lambda: LLMTracker.acall_and_track(**case.of.given(directive(in_=7, out=5))))
        return case.of.call(directive(in_=7, out=5)) if mode == "sync" else run(lambda: case.of.acall(directive(in_=7)))

    row = under_a_span(telemetry, by_the_tracker)

    assert row.config_uuid is not None


def test_calls_between_the_trackers_are_each_counted_once(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    stream = LLMTracker.call_and_track([{"role": "user", "content": directive(text="one two", chunks=2)}], stream=True)
    next(stream)
    CHAT.call(stub, directive(in_=7, out=5))
    own = CHAT.call(stub, directive(text="one two", chunks=2), stream=True)
    next(own)
    LLMTracker.call_and_track([{"role": "user", "content": directive(in_=9)}])
    list(own)
    list(stream)

    assert LLMUsage.objects.count() == len(telemetry.spans) == len(stub.requests) == 4
    assert LLMUsage.objects.filter(config_uuid=None).count() == 2
    assert_three_traces_agree(telemetry)


def test_positional_arguments_are_understood(stub: StubProvider) -> None:
    litellm.completion(
        CHAT.model, [{"role": "user", "content": directive()}], api_base=stub.api_base(), api_key=KEY, max_retries=0
    )

    assert LLMUsage.objects.get().model == CHAT.model


def test_a_retry_of_litellms_is_one_row(stub: StubProvider) -> None:
    again = directive(status=500, fail_times=1, key="litellm-retries", in_=7, out=5)

    CHAT.call(stub, again, num_retries=2)

    assert len(stub.requests) == 2
    assert [(row.status, row.prompt_tokens) for row in LLMUsage.objects.all()] == [("succeeded", 7)]


def test_a_fallback_of_litellms_is_one_row(stub: StubProvider) -> None:
    again = directive(status=500, fail_times=1, key="litellm-fallbacks", in_=7, out=5)

    CHAT.call(stub, again, fallbacks=["openai/gpt-4o"])

    assert len(stub.requests) == 2
    assert [(row.status, row.prompt_tokens) for row in LLMUsage.objects.all()] == [("succeeded", 7)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.usefixtures("_price_map_as_it_was")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@EACH_MODE
def test_each_request_of_a_router_is_one_row(stub: StubProvider, mode: str, stream: bool) -> None:
    arguments = CHAT.arguments(stub, directive(in_=7, out=5, text="one two"), stream=stream)
    messages, options = arguments.pop("messages"), {"stream_options": arguments.pop("stream_options", None)}
    del arguments["stream"]
    router = litellm.Router(model_list=[{"model_name": "house", "litellm_params": arguments}], num_retries=0)

    async def amain() -> None:
        answer = await router.acompletion("house", messages, stream=stream, **options)
        if stream:
            [chunk async for chunk in answer]

    if mode == "async":
        run(amain)
    else:
        answer = router.completion("house", messages, stream=stream, **options)
        if stream:
            list(answer)

    assert runtime.flush(10)
    assert [(row.status, row.prompt_tokens) for row in LLMUsage.objects.all()] == [("succeeded", 7)]
    assert len(stub.requests) == 1


@pytest.mark.django_db(transaction=True)
def test_each_call_of_a_batch_is_one_row(stub: StubProvider) -> None:
    arguments = CHAT.arguments(stub, directive(in_=7, out=5))
    arguments["messages"] = [arguments["messages"]] * 2

    litellm.batch_completion(**arguments)

    assert runtime.flush(10)
    assert [row.prompt_tokens for row in LLMUsage.objects.all()] == [7, 7]
    assert len(stub.requests) == 2


def test_a_chat_by_way_of_the_responses_api_is_one_row(stub: StubProvider) -> None:
    CHAT.call(stub, directive(in_=7, out=5), model="openai/responses/gpt-4o-mini")

    assert LLMUsage.objects.get().prompt_tokens == 7


def test_who_calls_is_told_around_the_call_or_in_its_metadata(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    user = make_user()
    own = {"agentcore_metering": {"node_name": "inner", "conversation_id": "c-1"}}

    with metering_state({"user_id": user.pk, "node_name": "outer", "metadata": {"run": "r-1"}}):
        CHAT.call(stub, directive(), metadata=own)
        run(lambda: CHAT.acall(stub, directive()))
    CHAT.call(stub, directive())

    rows = LLMUsage.objects.order_by("created_at")
    assert [(row.user_id, row.node_name) for row in rows] == [(user.pk, "inner"), (user.pk, "outer"), (None, None)]
    assert rows[0].metadata["run"] == "r-1"
    assert (telemetry.spans[0].attributes or {})[semconv.CONVERSATION_ID] == "c-1"
    assert "agentcore_metering" not in str([request.body for request in stub.requests])


def test_a_key_is_masked_in_row_and_span_and_left_in_the_hosts_exception(
    stub: StubProvider, telemetry: RecordedTelemetry
) -> None:
    with pytest.raises(litellm.AuthenticationError, match=KEY):
        CHAT.call(stub, directive(status=401, echo_key=1), extra_headers={"x-token": "header-secret-77"})

    said = str(LLMUsage.objects.get().__dict__) + str(
        [(dict(span.attributes or {}), span.events, span.status.description) for span in telemetry.spans]
    )
    assert KEY not in said
    assert "header-secret-77" not in said


def test_litellms_functions_are_what_they_were_for_those_who_look(stub: StubProvider) -> None:
    bare = litellm.completion.__wrapped__

    assert inspect.signature(litellm.completion) == inspect.signature(bare)
    assert inspect.iscoroutinefunction(litellm.acompletion)
    assert not inspect.iscoroutinefunction(litellm.completion)
