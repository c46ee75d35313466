"""LiteLLM reads from the stub what it would read from the provider."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from example.stub_provider import StubProvider, Usage, directive
from tests.example.stub_client import KEY, MODELS, PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

# Pydantic's word on LiteLLM's own types, raised while the first call builds them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Item '.*' on TypedDict class '.*' is using the `ReadOnly` qualifier:UserWarning"
)
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    with StubProvider() as running:
        yield running


@pytest.fixture(scope="module")
def litellm() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm

        patch.setattr(litellm, "suppress_debug_info", True)
        yield litellm


def complete(litellm: Any, stub: StubProvider, provider: str, text: str, **options: Any) -> Any:
    return litellm.completion(
        model=f"{provider}/{MODELS[provider]}",
        messages=[{"role": "user", "content": text}],
        api_base=stub.api_base(provider),
        api_key=KEY,
        timeout=10,
        num_retries=0,
        max_retries=0,
        **options,
    )


TEXT = directive(in_=100, out=30, cached=40, reasoning=7, text="Hello there", think="Let me see")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_completion_gives_text_and_counts(litellm: Any, stub: StubProvider, provider: str, stream: bool) -> None:
    answer = complete(litellm, stub, provider, TEXT, stream=stream, stream_options={"include_usage": True})
    answer = litellm.stream_chunk_builder(list(answer)) if stream else answer

    assert answer.choices[0].message.content == "Hello there"
    assert answer.choices[0].message.reasoning_content == "Let me see"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (100, 30)
    assert answer.usage.prompt_tokens_details.cached_tokens == 40
    assert answer.usage.completion_tokens_details.reasoning_tokens == 7
    assert stub.requests[0].api_key == KEY
    assert stub.requests[0].usage == Usage(input_tokens=100, output_tokens=30, cached=40, reasoning=7)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_completion_gives_the_tool_call(litellm: Any, stub: StubProvider, provider: str, stream: bool) -> None:
    tools = [{"type": "function", "function": {"name": "get_weather", "description": "", "parameters": TOOL}}]
    # LiteLLM's tool path needs its optional `mcp` extra unless it is told to skip that.
    options = {"tools": tools, "_skip_mcp_handler": True, "stream": stream}

    answer = complete(litellm, stub, provider, directive(tool="get_weather"), **options)
    answer = litellm.stream_chunk_builder(list(answer)) if stream else answer

    (call,) = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Berlin"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_completion_usage_early_in_a_stream_is_found(litellm: Any, stub: StubProvider, provider: str) -> None:
    text = directive(usage_early=1, in_=50, out=9, text="abcd")

    chunks = list(complete(litellm, stub, provider, text, stream=True, stream_options={"include_usage": True}))

    usage = litellm.stream_chunk_builder(chunks).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (50, 9)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_completion_401_is_an_authentication_error(litellm: Any, stub: StubProvider, provider: str) -> None:
    with pytest.raises(litellm.AuthenticationError, match=f"Key received: {KEY}"):
        complete(litellm, stub, provider, directive(status=401, echo_key=1))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_completion_429_carries_retry_after(litellm: Any, stub: StubProvider, provider: str) -> None:
    with pytest.raises(litellm.RateLimitError) as limited:
        complete(litellm, stub, provider, directive(status=429, retry_after=7))

    assert limited.value.litellm_response_headers["retry-after"] == "7"
    assert len(stub.requests) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_completion_broken_stream_raises_after_the_deltas(litellm: Any, stub: StubProvider, provider: str) -> None:
    answer = complete(litellm, stub, provider, directive(break_after=2, text="abcd", chunks=4), stream=True)

    received: list[str] = []
    with pytest.raises(litellm.exceptions.MidStreamFallbackError):
        received += (chunk.choices[0].delta.content or "" for chunk in answer)

    assert "".join(received) == "ab"


def test_litellm_reported_cost_of_a_gateway_arrives(litellm: Any, stub: StubProvider) -> None:
    answer = litellm.completion(
        model="openrouter/openai/gpt-4o-mini",
        messages=[{"role": "user", "content": directive(cost="0.0021")}],
        api_base=stub.api_base("openrouter"),
        api_key=KEY,
    )

    assert answer.usage.cost == 0.0021


def test_litellm_embedding_arrives(litellm: Any, stub: StubProvider) -> None:
    answer = litellm.embedding(
        model="openai/text-embedding-3-small", input=["one two", "three"], api_base=stub.api_base(), api_key=KEY
    )

    assert [len(row["embedding"]) for row in answer.data] == [8, 8]
    assert answer.usage.prompt_tokens == 3


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_openai_client_reads_a_response(stub: StubProvider, stream: bool) -> None:
    import openai

    text = directive(in_=100, out=30, cached=40, text="Hello")
    with openai.OpenAI(base_url=stub.api_base(), api_key=KEY, max_retries=0) as client:
        if stream:
            with client.responses.stream(model="gpt-4o-mini", input=text) as answers:
                answer: Any = answers.get_final_response()
        else:
            answer = client.responses.create(model="gpt-4o-mini", input=text)

    assert answer.output_text == "Hello"
    assert (answer.usage.total_tokens, answer.usage.input_tokens_details.cached_tokens) == (130, 40)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_litellm_responses_arrive(litellm: Any, stub: StubProvider, stream: bool) -> None:
    pytest.importorskip("mcp", reason="LiteLLM's responses() needs its mcp extra")
    text = directive(in_=100, out=30, text="Hello")

    answer = litellm.responses(
        model="openai/gpt-4o-mini", input=text, api_base=stub.api_base(), api_key=KEY, stream=stream
    )
    answer = list(answer)[-1].response if stream else answer

    assert answer.usage.total_tokens == 130
