"""Every other way to call a model, over real LiteLLM and real sockets: one row, one span, three traces that agree, whatever happens."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from agentcore_metering.adapters.django import LLMTracker, runtime
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from agentcore_metering.core.errors import ConfigNotFound, LLMProviderError, MissingExtra, RequestError
from agentcore_metering.core.operations import OPERATIONS
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider, directive
from tests.django.builders import KEY, make_stub_config, make_user
from tests.django.trackers.operation_cases import BY_FUNCTION, CASES, OperationCase, run
from tests.django.trackers.test_llm import assert_three_traces_agree, drain, wait_for
from tests.telemetry.recording import RecordedTelemetry

pytestmark = pytest.mark.django_db

MODES = ("sync", "async")
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.function)
EACH_STREAM = pytest.mark.parametrize(
    "case", [case for case in CASES if case.can_stream], ids=lambda case: case.function
)
EACH_MODE = pytest.mark.parametrize("mode", MODES)


def ask(case: OperationCase, mode: str, text: str, **options: Any) -> Any:
    """The whole answer."""
    return case.call(text, **options) if mode == "sync" else run(lambda: case.acall(text, **options))


def read_stream(case: OperationCase, mode: str, text: str, **options: Any) -> tuple[list[tuple[str, str]], Any]:
    """Every delta, and the usage at the end."""
    if mode == "sync":
        return drain(case.call(text, stream=True, **options))

    async def consume() -> Any:
        stream = await case.acall(text, stream=True, **options)
        return [delta async for delta in stream], stream.result

    return run(consume)  # type: ignore[no-any-return]


def under_a_span(telemetry: RecordedTelemetry, work: Callable[[], Any]) -> None:
    """Run `work` as a host's view does, then look at the one row and the one span of it."""
    with telemetry.tracer_provider.get_tracer("host").start_as_current_span("view") as view:
        work()
    runtime.flush(10)
    row = LLMUsage.objects.get()
    [span] = [span for span in telemetry.spans if semconv.CALL_ID in (span.attributes or {})]
    assert span.parent is not None
    assert span.parent.span_id == view.get_span_context().span_id
    assert (span.attributes or {})[semconv.USAGE_ID] == str(row.id)
    assert_three_traces_agree(telemetry)


@EACH_MODE
@EACH
def test_an_answer_is_litellms_own_and_metered(
    stub: StubProvider, telemetry: RecordedTelemetry, case: OperationCase, mode: str
) -> None:
    config = case.make_config(stub)
    state: dict[str, Any] = {"node_name": "indexer"}
    answers: list[Any] = []

    under_a_span(
        telemetry, lambda: answers.append(ask(case, mode, directive(in_=7, out=5, text="hi there"), state=state))
    )

    [(response, usage)] = answers
    row = LLMUsage.objects.get()
    assert type(response).__module__.startswith("litellm.")
    assert (row.operation, row.status, row.node_name, row.config_uuid) == (
        case.operation,
        "succeeded",
        "indexer",
        config.uuid,
    )
    assert (row.prompt_tokens, row.completion_tokens) == case.tokens
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == case.tokens
    assert usage["cost"] == (float(row.cost) if row.cost is not None else None)
    assert len(state["llm_calls"]) == len(stub.requests) == 1
    span = next(span for span in telemetry.spans if span.name != "view")
    assert span.name == f"{case.operation} {case.model}"
    assert (span.attributes or {}).get(semconv.OUTPUT_TYPE) == case.output_type


@EACH_MODE
@EACH_STREAM
def test_a_stream_gives_text_byte_for_byte_and_is_metered(
    stub: StubProvider, telemetry: RecordedTelemetry, case: OperationCase, mode: str
) -> None:
    case.make_config(stub)
    text = "  Hi  there\n\u00fc"
    answers: list[Any] = []

    under_a_span(
        telemetry, lambda: answers.append(read_stream(case, mode, directive(in_=7, out=5, text=text, chunks=4)))
    )

    [(deltas, usage)] = answers
    row = LLMUsage.objects.get()
    assert "".join(piece for kind, piece in deltas if kind == "content") == text
    assert (row.prompt_tokens, row.completion_tokens, row.usage_source) == (7, 5, "provider")
    assert (row.is_streaming, row.cost_source) == (True, "price_map")
    assert row.first_chunk_at is not None
    assert usage["_finish_reason"] == row.finish_reason == "stop"


FAILURES = (
    pytest.param({"status": 401, "echo_key": 1}, {"AuthenticationError"}, id="refused"),
    pytest.param({"status": 503}, {"ServiceUnavailableError", "InternalServerError"}, id="overloaded"),
    pytest.param(
        {"break_after": 0},
        {"APIConnectionError", "InternalServerError", "RemoteProtocolError", "ReadError", "MidStreamFallbackError"},
        id="broken",
    ),
    pytest.param({"delay_s": 30}, {"Timeout", "APITimeoutError", "TimeoutError"}, id="timeout"),
)
WAYS = [
    pytest.param(case, ask, id=f"{case.function}-plain") for case in CASES
] + [pytest.param(case, read_stream, id=f"{case.function}-stream") for case in CASES if case.can_stream]  # fmt: skip


@EACH_MODE
@pytest.mark.parametrize(("case", "read"), WAYS)
@pytest.mark.parametrize(("failure", "error_types"), FAILURES)
def test_a_failure_is_one_failed_row_and_one_request(  # noqa: PLR0913 - two fixtures and the four sides of a matrix
    stub: StubProvider,
    telemetry: RecordedTelemetry,
    case: OperationCase,
    read: Callable[..., Any],
    mode: str,
    failure: dict[str, Any],
    error_types: set[str],
) -> None:
    case.make_config(stub, request_timeout_seconds=1)
    caught: list[BaseException] = []

    def work() -> None:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - LiteLLM's class for it differs with function and mode
            read(case, mode, directive(**failure))
        caught.append(raised.value)

    under_a_span(telemetry, work)

    row = LLMUsage.objects.get()
    assert (row.status, row.success, row.completion_tokens) == ("failed", False, 0)
    assert {row.error_type, type(caught[0]).__name__} & error_types
    # Of a stream that broke after it had begun the prompt was billed.
    assert row.cost is None or row.is_streaming
    assert len(stub.requests) == 1
    assert [place for place in (str(caught[0]), str(row.__dict__), repr(caught[0])) if KEY in place] == []


@pytest.mark.django_db(transaction=True)
@EACH
def test_a_cancelled_task_is_one_cancelled_row(
    stub: StubProvider, telemetry: RecordedTelemetry, case: OperationCase
) -> None:
    case.make_config(stub)

    async def leave() -> None:
        task = asyncio.ensure_future(case.acall(directive(delay_s=30)))
        while not stub.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    under_a_span(telemetry, lambda: run(leave))

    assert LLMUsage.objects.get().status == "cancelled"


@EACH
def test_an_interrupted_call_is_one_cancelled_row(
    stub: StubProvider, telemetry: RecordedTelemetry, case: OperationCase
) -> None:
    case.make_config(stub)

    def interrupt() -> None:
        wait_for(lambda: bool(stub.requests))
        os.kill(os.getpid(), signal.SIGINT)

    def work() -> None:
        watcher = threading.Thread(target=interrupt)
        watcher.start()
        with pytest.raises(KeyboardInterrupt):
            case.call(directive(delay_s=30))
        watcher.join()

    under_a_span(telemetry, work)

    assert LLMUsage.objects.get().status == "cancelled"


@EACH_MODE
@EACH_STREAM
def test_a_stream_that_is_left_ends_its_response(
    stub: StubProvider, telemetry: RecordedTelemetry, case: OperationCase, mode: str
) -> None:
    case.make_config(stub)
    long = directive(chunks=2000, text="word " * 2000, chunk_delay_s=0.002)

    async def leave() -> None:
        stream = await case.acall(long, stream=True)
        await anext(stream)
        await stream.aclose()
        while stub.requests[0].outcome != "client_left":
            await asyncio.sleep(0.01)

    def work() -> None:
        if mode == "async":
            run(leave)
            return
        stream = case.call(long, stream=True)
        next(stream)
        stream.close()
        wait_for(lambda: stub.requests[0].outcome == "client_left")

    under_a_span(telemetry, work)

    row = LLMUsage.objects.get()
    assert (row.status, row.usage_source) == ("cancelled", "estimated")


@EACH_MODE
@EACH_STREAM
def test_a_stream_that_breaks_keeps_what_came(
    stub: StubProvider, telemetry: RecordedTelemetry, case: OperationCase, mode: str
) -> None:
    case.make_config(stub, num_retries=3)

    def work() -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011 - LiteLLM's class for it changes with its releases
            read_stream(case, mode, directive(chunks=6, break_after=3, text="one two three four five six"))

    under_a_span(telemetry, work)

    row = LLMUsage.objects.get()
    assert (row.status, row.usage_source) == ("failed", "estimated")
    assert row.completion_tokens > 0
    assert len(stub.requests) == 1


@EACH_MODE
@EACH_STREAM
def test_usage_that_was_never_sent_is_estimated_and_has_no_reported_cost(
    stub: StubProvider, telemetry: RecordedTelemetry, case: OperationCase, mode: str
) -> None:
    case.make_config(stub)

    under_a_span(telemetry, lambda: read_stream(case, mode, directive(no_usage=1, text="one two three")))

    row = LLMUsage.objects.get()
    assert (row.usage_source, row.cost_source) == ("estimated", "price_map")
    assert row.completion_tokens > 0
    assert row.prompt_tokens > 0


@EACH_MODE
@EACH
def test_a_retry_is_a_second_row_in_one_span(
    stub: StubProvider, telemetry: RecordedTelemetry, case: OperationCase, mode: str
) -> None:
    case.make_config(stub, num_retries=2)

    ask(case, mode, directive(status=429, retry_after=0, fail_times=1, key=f"{case.function}-{mode}"))

    assert [row.status for row in LLMUsage.objects.order_by("attempt")] == ["failed", "succeeded"]
    assert len(stub.requests) == 2
    assert telemetry.span.attributes is not None
    assert_three_traces_agree(telemetry)


@EACH_MODE
@EACH
def test_a_retry_after_beyond_the_deadline_gives_up_at_once(stub: StubProvider, case: OperationCase, mode: str) -> None:
    case.make_config(stub, num_retries=3, request_timeout_seconds=5)

    with pytest.raises(Exception, match=r"429|[Rr]ate"):
        ask(case, mode, directive(status=429, retry_after=600))

    assert len(stub.requests) == 1


@EACH
def test_nothing_that_is_litellms_own_is_sent_to_the_provider(stub: StubProvider, case: OperationCase) -> None:
    case.make_config(stub, vision=True, max_tokens=99, temperature=0.5)
    state = {"litellm_metadata": {"session_id": "s"}, "otel_traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}

    case.call(directive(), state=state)

    own = {"model", "input", "prompt", "query", "documents", "return_documents", "file", "voice", "response_format"}
    sampling = {"temperature", "max_tokens", "max_output_tokens"} if case.can_stream else set()
    assert set(stub.requests[0].body) <= own | sampling
    assert stub.requests[0].api_key == KEY
    assert LLMUsage.objects.get().trace_id in (None, "1" * 32)


def test_units_that_are_no_tokens_are_priced(stub: StubProvider) -> None:
    for function in ("rerank", "speech"):
        BY_FUNCTION[function].make_config(stub)
        BY_FUNCTION[function].call(directive())
        LLMConfig.objects.all().delete()

    ranked, spoken = LLMUsage.objects.order_by("created_at")
    assert ranked.cost == Decimal("0.002")
    assert spoken.cost == len(directive()) * Decimal("0.000015")


def test_whisper_is_priced_by_the_second(stub: StubProvider) -> None:
    make_stub_config(stub, "openai", "whisper-1")

    response, usage = LLMTracker.transcription(("a.wav", b"x"), prompt=directive(seconds=30, text="hi"))

    assert response.text == "hi"
    assert usage["total_tokens"] == 0
    assert LLMUsage.objects.get().cost == Decimal("0.003")  # 30 * 0.0001


def test_embeddings_without_usage_are_counted_by_us(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    BY_FUNCTION["embedding"].make_config(stub)

    LLMTracker.embedding(["one two three", "four " + directive(no_usage=1)])

    row = LLMUsage.objects.get()
    assert row.usage_source == "estimated"
    assert row.prompt_tokens > 4
    assert_three_traces_agree(telemetry)


def test_a_prompt_of_token_numbers_is_counted_by_its_length(stub: StubProvider) -> None:
    BY_FUNCTION["embedding"].make_config(stub)

    LLMTracker.embedding([[1, 2, 3], [4, 5]])

    assert stub.requests[0].body["input"] == [[1, 2, 3], [4, 5]]
    assert LLMUsage.objects.get().prompt_tokens > 0


def test_the_configuration_is_that_of_the_functions_own_type(stub: StubProvider) -> None:
    make_stub_config(stub)
    embedding = BY_FUNCTION["embedding"].make_config(stub)

    LLMTracker.embedding("text")

    assert LLMUsage.objects.get().config_uuid == embedding.uuid


def test_without_one_of_its_type_the_call_says_what_to_do(stub: StubProvider) -> None:
    make_stub_config(stub)

    with pytest.raises(ConfigNotFound, match=r"No embedding config found in DB.*model_type 'embedding'.*model=\.\.\."):
        LLMTracker.embedding("text")

    assert LLMUsage.objects.count() == 0


def test_a_model_named_in_the_call_takes_the_llm_configs_key(stub: StubProvider) -> None:
    config = make_stub_config(stub)

    LLMTracker.embedding("text", model="text-embedding-3-large")

    row = LLMUsage.objects.get()
    assert (row.model, row.config_uuid) == ("openai/text-embedding-3-large", config.uuid)
    assert stub.requests[0].body["model"] == "text-embedding-3-large"


def test_a_users_configuration_wins_and_strict_scope_takes_no_other(stub: StubProvider) -> None:
    user, other = make_user("a"), make_user("b")
    BY_FUNCTION["embedding"].make_config(stub)
    mine = make_stub_config(stub, "openai", "text-embedding-3-large", model_type="embedding", user=user)

    LLMTracker.embedding("text", state={"user_id": user.pk})
    with pytest.raises(ConfigNotFound):
        LLMTracker.embedding("text", state={"user_id": other.pk}, strict_user_scope=True)

    assert LLMUsage.objects.get().config_uuid == mine.uuid


@EACH_MODE
@EACH
def test_friendly_errors_translate(stub: StubProvider, case: OperationCase, mode: str) -> None:
    case.make_config(stub)

    with pytest.raises(LLMProviderError) as caught:
        ask(case, mode, directive(status=429), friendly_errors=True)

    assert caught.value.error_key == "rate_limit"


@pytest.mark.parametrize(
    ("function", "given", "name"),
    [
        ("embedding", {"input": []}, "input"),
        ("text_completion", {"prompt": ""}, "prompt"),
        ("rerank", {"query": "q", "documents": []}, "documents"),
        ("transcription", {"file": None}, "file"),
    ],
)
def test_an_empty_argument_is_refused_before_anything_is_looked_up(
    function: str, given: dict[str, Any], name: str, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0), pytest.raises(RequestError, match=f"{name} cannot be empty"):
        getattr(LLMTracker, function)(**given)


def test_signatures_name_the_functions_own_arguments_first() -> None:
    assert str(inspect.signature(LLMTracker.rerank)) == (
        "(query, documents, *, node_name='unknown', state=None, model_uuid=None, strict_user_scope=False, "
        "friendly_errors=False, **options)"
    )
    assert "stream=False" in str(inspect.signature(LLMTracker.aresponses))
    with pytest.raises(TypeError, match="documents"):
        LLMTracker.rerank("query alone")


def test_every_function_has_its_pair_of_methods() -> None:
    others = set(OPERATIONS) - {"completion", "decisions"}

    assert {name for name in others if not hasattr(LLMTracker, name) or not hasattr(LLMTracker, f"a{name}")} == set()
    assert {spec.model_type for spec in OPERATIONS.values()} <= set(LLMConfig.MODEL_TYPES)


def test_a_responses_stream_says_what_the_next_one_goes_on_from(stub: StubProvider) -> None:
    case = BY_FUNCTION["responses"]
    case.make_config(stub)

    _, usage = read_stream(case, "sync", directive(text="hi"))

    assert usage["_response_id"].startswith("resp_")


def test_a_responses_stream_returns_reasoning_and_tool_calls(stub: StubProvider) -> None:
    case = BY_FUNCTION["responses"]
    case.make_config(stub)
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}

    deltas, usage = read_stream(case, "sync", directive(tool="weather", think="let me see"), tools=[tool])

    assert "".join(text for kind, text in deltas if kind == "reasoning") == "let me see"
    assert usage["_tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Berlin"}'}
    assert usage["_finish_reason"] == "tool_calls"


def test_litellms_mcp_gateway_is_refused_by_name_where_it_is_not_installed(stub: StubProvider) -> None:
    BY_FUNCTION["responses"].make_config(stub)
    tool = {"type": "mcp", "server_label": "x", "server_url": "litellm_proxy/mcp/x"}

    with pytest.raises(MissingExtra, match=r"pip install 'litellm\[mcp\]'"):
        LLMTracker.responses("hi", tools=[tool])

    assert LLMUsage.objects.get().error_type == "MissingExtra"


@EACH_MODE
@EACH_STREAM
def test_friendly_errors_translate_in_a_stream(stub: StubProvider, case: OperationCase, mode: str) -> None:
    case.make_config(stub)

    with pytest.raises(LLMProviderError) as caught:
        read_stream(case, mode, directive(status=402), friendly_errors=True)

    assert caught.value.error_key == "insufficient_balance"
