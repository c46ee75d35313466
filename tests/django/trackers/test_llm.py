"""The front door over real LiteLLM, real HTTP, a real SDK and a real database: three traces that agree."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.adapters.django.models import LLMConfig, LLMUsage
from agentcore_metering.core import dropped
from agentcore_metering.core.errors import ConfigNotFound, EmptyResponse, LLMProviderError, RequestError
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider, directive
from tests.django.builders import KEY, make_stub_config, make_user
from tests.telemetry.recording import RecordedTelemetry

pytestmark = pytest.mark.django_db

PROVIDERS = [("openai", "gpt-4o-mini"), ("anthropic", "claude-haiku-4-5"), ("gemini", "gemini-2.5-flash")]


def ask(text: str = "hello", **options: Any) -> Any:
    return LLMTracker.call_and_track(messages=[{"role": "user", "content": text}], **options)


def drain(stream: Any) -> tuple[list[tuple[str, str]], Any]:
    deltas = []
    while True:
        try:
            deltas.append(next(stream))
        except StopIteration as end:
            return deltas, end.value


def wait_for(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Poll for what another process or thread does in its own time."""
    give_up_at_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_at_s, "it did not come to pass"
        time.sleep(0.01)


def assert_three_traces_agree(telemetry: RecordedTelemetry) -> None:
    """Sums of rows, spans and counters are the same figures."""
    rows = list(LLMUsage.objects.all())
    points = telemetry.points()
    spans = [span for span in telemetry.spans if semconv.CALL_ID in (span.attributes or {})]
    for metric, attribute, column in (
        (semconv.INFERENCE_INPUT_TOKENS, semconv.USAGE_INPUT_TOKENS, "prompt_tokens"),
        (semconv.INFERENCE_OUTPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS, "completion_tokens"),
    ):
        expected = sum(getattr(row, column) for row in rows)
        embedded = sum(getattr(row, column) for row in rows if row.operation == "embeddings")
        assert sum(value for _, value in points.get(metric, [])) == expected - embedded
        assert sum((span.attributes or {}).get(attribute, 0) for span in spans) == expected  # type: ignore[misc]
    embedded = sum(row.prompt_tokens for row in rows if row.operation == "embeddings")
    # The conventions count the tokens of embeddings in a histogram of their own, and have no counter for them.
    measured = points.get(semconv.EMBEDDINGS_OPERATION_INPUT_TOKENS, [])
    assert sum(total for _, (_, total) in measured) == embedded
    cost = sum((row.cost for row in rows if row.cost is not None), Decimal(0))
    counted = sum((Decimal(str(value)) for _, value in points.get(semconv.COST, [])), Decimal(0))
    assert counted.quantize(Decimal("1e-12")) == cost
    assert sum(Decimal(str((span.attributes or {}).get(semconv.EXACT_COST_AMOUNT, 0))) for span in spans) == cost
    assert sum(value for _, value in points[semconv.ATTEMPTS]) == len(rows)
    assert sum(value for _, value in points[semconv.CALLS]) == len(spans)


@pytest.mark.smoke
@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
def test_a_call_leaves_three_traces_that_agree(
    stub: StubProvider, telemetry: RecordedTelemetry, provider: str, model: str
) -> None:
    make_stub_config(stub, provider, model)

    text, usage = ask("hello " + directive(in_=100, out=40, cached=30, reasoning=10, text="Hi there"))

    assert text == "Hi there"
    row = LLMUsage.objects.get()
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["cached_tokens"], usage["reasoning_tokens"]) == (
        100,
        40,
        30,
        10,
    )
    assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens, row.reasoning_tokens, row.total_tokens) == (
        100,
        40,
        30,
        10,
        140,
    )
    assert (row.status, row.success, row.usage_source, row.cost_status) == ("succeeded", True, "provider", "priced")
    assert row.cost is not None
    assert usage["cost"] == float(row.cost)
    assert telemetry.span.name == f"chat {model}"
    assert (telemetry.span.attributes or {})[semconv.USAGE_ID] == str(row.id)
    assert row.trace_id == format(telemetry.span.context.trace_id, "032x")  # type: ignore[union-attr]
    assert_three_traces_agree(telemetry)


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
def test_a_stream_leaves_three_traces_that_agree(
    stub: StubProvider, telemetry: RecordedTelemetry, provider: str, model: str
) -> None:
    make_stub_config(stub, provider, model)
    state: dict[str, Any] = {}

    deltas, usage = drain(
        ask("hello " + directive(in_=100, out=40, cached=30, text="  Hi  there\n", chunks=4), stream=True, state=state)
    )

    assert "".join(text for kind, text in deltas if kind == "content") == "  Hi  there\n"
    row = LLMUsage.objects.get()
    assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (100, 40, 30)
    assert (row.is_streaming, row.usage_source) == (True, "provider")
    assert row.first_chunk_at is not None
    assert usage["_finish_reason"] == "stop"
    assert len(state["llm_calls"]) == 1
    assert_three_traces_agree(telemetry)


def test_a_model_with_another_providers_prefix_has_that_ones_price(
    stub: StubProvider, telemetry: RecordedTelemetry
) -> None:
    make_stub_config(stub, "openai", "groq/openai/gpt-oss-20b")

    ask(directive(in_=3, out=7))

    row = LLMUsage.objects.get()
    assert row.cost == Decimal("0.000002325")  # 3*7.5e-8 + 7*3e-7
    assert (row.provider, row.model, row.cost_source) == ("openai", "groq/openai/gpt-oss-20b", "price_map")
    assert_three_traces_agree(telemetry)


def test_the_cost_is_exact_and_can_be_computed_again_from_the_row(stub: StubProvider) -> None:
    make_stub_config(stub)

    ask(directive(in_=3, out=7))

    row = LLMUsage.objects.get()
    assert row.cost == Decimal("0.00000465")  # 3*1.5e-7 + 7*6e-7
    prices = {name: Decimal(price) for name, price in row.price_snapshot["per_token"].items()}
    assert row.cost == row.prompt_tokens * prices["input"] + row.completion_tokens * prices["output"]
    assert (row.cost_source, row.cost_currency) == ("price_map", "USD")


def test_the_providers_own_figure_wins_and_the_computed_one_is_kept(stub: StubProvider) -> None:
    make_stub_config(stub)

    ask(directive(in_=3, out=7, cost="0.5"))

    row = LLMUsage.objects.get()
    assert (row.cost, row.cost_source, row.computed_cost) == (Decimal("0.5"), "provider", Decimal("0.00000465"))


def test_a_gateway_with_a_famous_model_is_unpriced_not_free(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub, "openai_compatible", "gpt-4o-mini")

    _, usage = ask()

    row = LLMUsage.objects.get()
    assert (row.cost, row.cost_status, usage["cost"]) == (None, "unpriced", None)
    assert semconv.COST not in telemetry.points()


def test_who_called_is_on_the_row(stub: StubProvider) -> None:
    config, user = make_stub_config(stub), make_user()
    state = {
        "user_id": str(user.pk),
        "node_name": "writer",
        "source_type": "mail",
        "source_path": "/a",
        "celery_task_id": 5,
        "metadata": {"run_uuid": "r1", "odd": {1, 2}},
        "never": "copied",
    }

    ask(state=state, node_name="ignored")

    row = LLMUsage.objects.get()
    assert (row.user_id, row.node_name, row.source_type, row.config_uuid, row.config_scope) == (
        user.pk,
        "writer",
        "mail",
        config.uuid,
        "global",
    )
    expected = {
        "node_name": "writer",
        "source_type": "mail",
        "source_path": "/a",
        "source_task_id": "5",
        "run_uuid": "r1",
    }
    assert expected.items() <= row.metadata.items()
    assert "never" not in row.metadata


@pytest.mark.parametrize("user_id", ["nobody", 999_999_999])
def test_a_user_who_is_not_there_does_not_cost_the_row(stub: StubProvider, user_id: Any) -> None:
    make_stub_config(stub)

    ask(state={"user_id": user_id})

    row = LLMUsage.objects.get()
    assert row.user_id == user_id or row.metadata["unresolved_user_id"] == user_id


def test_tools_and_return_message(stub: StubProvider) -> None:
    make_stub_config(stub)
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}

    message, _ = ask(directive(tool="weather"), tools=[tool], tool_choice="auto", return_message=True)

    assert (message["role"], message["content"], message["finish_reason"]) == ("assistant", "", "tool_calls")
    [call] = message["tool_calls"]
    assert call["type"] == "function"
    assert call["function"]["name"] == "weather"
    assert call["function"]["arguments"].replace(" ", "") == '{"city":"Berlin"}'
    assert stub.requests[0].body["tool_choice"] == "auto"


def test_a_stream_returns_its_tool_calls(stub: StubProvider) -> None:
    make_stub_config(stub)
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}

    _, usage = drain(ask(directive(tool="weather", chunks=3), tools=[tool], stream=True))

    assert usage["_tool_calls"][0]["function"]["arguments"].replace(" ", "") == '{"city":"Berlin"}'
    assert usage["_finish_reason"] == "tool_calls"


def test_reasoning_comes_as_its_own_kind(stub: StubProvider) -> None:
    make_stub_config(stub, "deepseek", "deepseek-chat")

    message, _ = ask(directive(think="let me see", text="yes"), return_message=True)
    deltas, _ = drain(ask(directive(think="let me see", text="yes"), stream=True))

    assert message["reasoning_content"] == "let me see"
    assert "".join(text for kind, text in deltas if kind == "reasoning") == "let me see"
    assert "".join(text for kind, text in deltas if kind == "content") == "yes"


def test_a_retry_is_a_second_attempt_in_one_span(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)
    state: dict[str, Any] = {}

    ask(directive(status=429, retry_after=0, fail_times=1, key="retry"), state=state)

    first, second = LLMUsage.objects.order_by("attempt")
    assert [(row.attempt, row.status) for row in (first, second)] == [(1, "failed"), (2, "succeeded")]
    assert first.call_id == second.call_id == first.id
    assert [call["success"] for call in state["llm_calls"]] == [False, True]
    assert len(telemetry.spans) == 1
    assert [event.name for event in telemetry.span.events] == [semconv.RETRY_EVENT]
    assert_three_traces_agree(telemetry)


def test_one_request_per_attempt_whatever_litellm_would_do(stub: StubProvider) -> None:
    make_stub_config(stub, config={"num_retries": 0})

    with pytest.raises(Exception, match="Rate"):
        ask(directive(status=429, text="Rate limit"))

    assert len(stub.requests) == 1
    assert LLMUsage.objects.count() == 1


def test_json_mode_repairs_and_asks_again(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    text, _ = ask(directive(bad_json_times=1, key="json", text='{"answer": 42}'), json_mode=True)

    assert text.replace(" ", "") == '{"answer":42}' or text == '{"a": ""}'
    assert_three_traces_agree(telemetry)
    assert stub.requests[0].body["response_format"] == {"type": "json_object"}


def test_a_failed_call_keeps_model_and_error_without_the_key(
    stub: StubProvider, telemetry: RecordedTelemetry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, logger="agentcore_metering")
    make_stub_config(stub)
    state: dict[str, Any] = {}

    with pytest.raises(Exception, match="Incorrect API key provided") as caught:
        ask(directive(status=401, echo_key=1), state=state)

    assert stub.requests[0].api_key == KEY
    row = LLMUsage.objects.get()
    assert (row.model, row.status, row.success, row.error_type) == (
        "openai/gpt-4o-mini",
        "failed",
        False,
        "AuthenticationError",
    )
    assert (row.cost, row.cost_status, row.prompt_tokens) == (None, "no_usage", 0)
    everywhere = [
        str(caught.value),
        repr(caught.value),
        str(row.__dict__),
        str(state),
        caplog.text,
        telemetry.span.to_json(),
    ]
    assert [place for place in everywhere if KEY in place] == []
    assert_three_traces_agree(telemetry)


def test_friendly_errors_translate_with_the_original_as_cause(stub: StubProvider) -> None:
    make_stub_config(stub, config={"num_retries": 0})

    with pytest.raises(LLMProviderError) as caught:
        ask(directive(status=429), friendly_errors=True)

    assert caught.value.error_key == "rate_limit"
    assert type(caught.value.__cause__).__name__ == "RateLimitError"


def test_an_empty_answer_is_billed_and_failed(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    with pytest.raises(EmptyResponse, match="empty"):
        ask(directive(empty=1, in_=10, out=4))

    row = LLMUsage.objects.get()
    assert (row.status, row.error_type, row.prompt_tokens) == ("failed", "empty_response", 10)
    assert row.cost
    assert_three_traces_agree(telemetry)


def test_a_client_that_leaves_mid_stream_is_cancelled_and_estimated(
    stub: StubProvider, telemetry: RecordedTelemetry
) -> None:
    make_stub_config(stub)
    stream = ask(directive(chunks=20, text="one two three four five six seven eight", no_usage=1), stream=True)
    next(stream)

    stream.close()

    row = LLMUsage.objects.get()
    assert (row.status, row.success, row.usage_source) == ("cancelled", False, "estimated")
    assert row.completion_tokens > 0
    assert_three_traces_agree(telemetry)


@pytest.mark.django_db(transaction=True)
def test_a_stream_nobody_reads_is_one_cancelled_row(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    stream = ask(stream=True)
    del stream
    gc.collect()
    dropped.wait(10)

    assert LLMUsage.objects.get().status == "cancelled"
    assert stub.requests == ()
    assert_three_traces_agree(telemetry)


def test_a_broken_stream_keeps_what_came(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    with pytest.raises(Exception):  # noqa: B017, PT011 - LiteLLM's class for it changes with its releases
        drain(ask(directive(chunks=6, break_after=3, text="one two three four five six"), stream=True))

    row = LLMUsage.objects.get()
    assert (row.status, row.usage_source) == ("failed", "estimated")
    assert row.completion_tokens > 0
    assert_three_traces_agree(telemetry)


def test_first_attempts_reuse_their_connection(stub: StubProvider) -> None:
    make_stub_config(stub)
    ask()
    opened = stub.connections_opened

    for _ in range(10):
        ask()

    assert stub.connections_opened == opened


@pytest.mark.parametrize(("provider", "model"), PROVIDERS)
def test_a_stream_that_is_left_ends_its_response_at_once(stub: StubProvider, provider: str, model: str) -> None:
    make_stub_config(stub, provider, model)
    stream = ask(directive(chunks=2000, text="word " * 2000, chunk_delay_s=0.002), stream=True)
    next(stream)

    stream.close()

    # Left to the garbage collector, the response might be ended inside its own connection pool's lock.
    wait_for(lambda: stub.requests[0].outcome == "client_left")


@pytest.mark.parametrize("messages", [[], None])
def test_empty_messages_are_refused_before_anything_is_looked_up(messages: Any, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0), pytest.raises(RequestError, match="cannot be empty"):
        LLMTracker.call_and_track(messages=messages)


def test_no_configuration_names_the_three_places_and_how_to_add_one() -> None:
    with pytest.raises(ConfigNotFound) as caught:
        ask(state={"user_id": 7})

    text = str(caught.value)
    assert "No LLM config found in DB" in text
    for place in ("user 7", "global configs", "AGENTCORE_METERING_LLM", "POST llm-config/"):
        assert place in text
    assert LLMUsage.objects.count() == 0


@pytest.mark.parametrize("model_uuid", ["no-uuid", "5b6f2c1e-0000-4000-8000-000000000000"])
def test_an_unknown_model_uuid_is_told(stub: StubProvider, model_uuid: str) -> None:
    make_stub_config(stub)

    with pytest.raises(ConfigNotFound, match=r"model_uuid .* not found"):
        ask(model_uuid=model_uuid)


def test_another_users_configuration_cannot_be_named(stub: StubProvider) -> None:
    owner, other = make_user("owner"), make_user("other")
    config: LLMConfig = make_stub_config(stub, user=owner)

    ask(model_uuid=config.uuid, state={"user_id": owner.pk})
    with pytest.raises(ConfigNotFound):
        ask(model_uuid=config.uuid, state={"user_id": other.pk})


def test_patching_litellm_completion_still_works(stub: StubProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    make_stub_config(stub)
    import litellm

    from tests.fakes import make_response

    monkeypatch.setattr(litellm, "completion", lambda **kwargs: make_response("patched"))

    assert ask()[0] == "patched"


def test_otel_traceparent_is_the_parent(stub: StubProvider, telemetry: RecordedTelemetry) -> None:
    make_stub_config(stub)

    ask(state={"otel_traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})

    assert LLMUsage.objects.get().trace_id == "1" * 32
    assert format(telemetry.span.parent.span_id, "016x") == "2" * 16  # type: ignore[union-attr]


def test_a_call_in_steady_state_asks_the_database_nothing(stub: StubProvider, django_assert_num_queries: Any) -> None:
    make_stub_config(stub)
    ask()

    # What is left is the row itself, which test runs write inline: a savepoint, the insert, its release.
    with django_assert_num_queries(3):
        ask()
