"""What LiteLLM is told besides the arguments, so that it sends one request and ends in time."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from agentcore_metering.core import gateway
from agentcore_metering.core.errors import MissingExtra
from agentcore_metering.core.gateway import LiteLLMBackend
from agentcore_metering.core.stream_layers import keeping_events, layers

HANDLER = "litellm.responses.mcp.litellm_proxy_mcp_handler"
KEYED = {"api_key": "k-123456", "api_base": "http://127.0.0.1:1/v1", "timeout": 5}
GATEWAY_TOOL = {"type": "mcp", "server_url": "litellm_proxy/mcp/x"}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`sent(function, **arguments)`: what LiteLLM's function would have been called with."""
    import litellm

    def call(function: str, **arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(litellm, function, lambda **given: given)
        given: dict[str, Any] = LiteLLMBackend().call(function, arguments)
        return given

    return call


def test_a_zero_that_counts_as_given_keeps_embeddings_to_one_request(sent: Any) -> None:
    retries = sent("embedding", model="openai/e", input="hi")["max_retries"]

    assert retries == 0
    assert (retries or 2) == 0


@pytest.mark.parametrize("function", ["image_generation", "text_completion"])
def test_the_sdks_client_cannot_be_told_to_try_again(sent: Any, function: str) -> None:
    client = sent(function, model="openai/m", prompt="hi", **KEYED)["client"]

    client.max_retries = 2

    assert client.max_retries == 0
    assert str(client.base_url) == "http://127.0.0.1:1/v1/"


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "openai/m", "timeout": 5},
        {"model": "gemini/imagen", **KEYED},
        {"model": "anthropic/claude-haiku-4-5", **KEYED},
    ],
    ids=["no-key", "another-provider", "a-chat-model"],
)
def test_a_provider_without_the_sdk_gets_no_client(
    sent: Any, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    assert "client" not in sent("image_generation", prompt="hi", **arguments)


def test_sync_streams_of_gemini_get_a_client_that_gives_up(sent: Any) -> None:
    client = sent("completion", model="gemini/g", messages=[], stream=True, timeout=2.2)["client"]

    assert client.client.timeout.read == 3
    assert "client" not in sent("completion", model="gemini/g", messages=[], timeout=2.2)
    assert "client" not in sent("completion", model="openai/g", messages=[], stream=True, timeout=2.2)


@pytest.mark.parametrize(
    ("tools", "skips"),
    [(None, False), ([{"type": "function"}], True), ([{"type": "mcp", "server_url": "https://mcp.example"}], True)],
)
def test_tools_of_the_provider_need_no_extra(sent: Any, tools: Any, skips: bool) -> None:
    assert sent("completion", model="openai/g", messages=[], tools=tools).get("_skip_mcp_handler", False) is skips
    assert sent("responses", model="openai/g", input="hi", tools=tools)["_skip_mcp_handler"] is True


@pytest.mark.parametrize("function", ["completion", "responses"])
def test_litellms_own_gateway_needs_its_extra(sent: Any, function: str) -> None:
    with pytest.raises(MissingExtra, match="mcp extra"):
        sent(function, model="openai/g", tools=[GATEWAY_TOOL])


@pytest.fixture
def installed_gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType(HANDLER)
    module.__file__ = "handler.py"
    monkeypatch.setitem(sys.modules, HANDLER, module)
    gateway._has_mcp_gateway.cache_clear()
    yield
    gateway._has_mcp_gateway.cache_clear()


@pytest.mark.usefixtures("installed_gateway")
def test_litellms_own_gateway_is_used_where_it_is_installed(sent: Any) -> None:
    assert "_skip_mcp_handler" not in sent("responses", model="openai/g", input="hi", tools=[GATEWAY_TOOL])


def test_a_gateway_that_cannot_be_imported_has_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway._has_mcp_gateway.cache_clear()
    monkeypatch.setitem(sys.modules, HANDLER, None)

    assert not gateway._has_mcp_gateway()
    assert sys.modules[HANDLER].LiteLLM_Proxy_MCP_Handler.should_use_litellm_mcp_gateway([GATEWAY_TOOL]) is False
    gateway._has_mcp_gateway.cache_clear()


def test_tokens_that_cannot_be_counted_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    import litellm

    def fail(**_given: Any) -> int:
        raise RuntimeError("no tokenizer")

    monkeypatch.setattr(litellm, "token_counter", fail)

    assert LiteLLMBackend().count_tokens("m", text="hi") is None


def test_layers_are_found_from_the_outside_in_and_only_so_deep() -> None:
    response = SimpleNamespace()
    stream: Any = SimpleNamespace(completion_stream=SimpleNamespace(response=response))
    endless = SimpleNamespace()
    endless.response = endless

    assert list(layers(stream)) == [stream.completion_stream, response]
    assert len(list(layers(endless))) == 5


def response_over(connection: socket.socket, *, is_closed: bool = False, **extensions: Any) -> Any:
    stream = SimpleNamespace(get_extra_info={"socket": connection}.get)
    return SimpleNamespace(is_closed=is_closed, extensions={"network_stream": stream, **extensions})


def test_cut_ends_the_read_of_another_thread() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(ours.recv, 1)
        LiteLLMBackend().cut(SimpleNamespace(completion_stream=SimpleNamespace(response=response_over(ours))))

        assert reading.result(30) == b""


class _Response:
    is_closed = False

    def __init__(self, connection: socket.socket) -> None:
        self.extensions = response_over(connection).extensions

    def lines(self) -> Iterator[str]:
        yield "one"
        yield str(self.is_closed)


def _decoded(lines: Iterator[str]) -> Iterator[str]:
    yield from lines


@pytest.mark.parametrize("wrap", [iter, _decoded], ids=["its-lines", "a-decoder-of-its-lines"])
def test_cut_finds_the_response_that_a_generator_reads(wrap: Callable[[Iterator[str]], Iterator[str]]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        lines = wrap(_Response(ours).lines())
        next(lines)
        LiteLLMBackend().cut(SimpleNamespace(streaming_response=lines))

        assert theirs.recv(1) == b""


@pytest.mark.parametrize("kind", [{"is_closed": True}, {"stream_id": 3}], ids=["read-to-its-end", "http2"])
def test_cut_leaves_a_connection_alone_that_others_may_use(kind: dict[str, Any]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        LiteLLMBackend().cut(SimpleNamespace(response=response_over(ours, **kind)))
        ours.sendall(b"still open")

        assert theirs.recv(10) == b"still open"


def test_cut_of_a_connection_that_has_ended_meanwhile_is_no_error() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    ours.close()

    LiteLLMBackend().cut(SimpleNamespace(response=response_over(ours)))


def test_close_ends_what_can_be_ended_at_once() -> None:
    closed: list[str] = []

    async def aclose() -> None:
        closed.append("async")

    inner = SimpleNamespace(close=lambda: closed.append("sync"), response=SimpleNamespace(close=aclose))

    LiteLLMBackend().close(SimpleNamespace(completion_stream=inner))

    assert closed == ["sync"]


def test_events_that_are_no_json_are_passed_on_and_not_kept() -> None:
    events = [SimpleNamespace(data='"usage" {'), SimpleNamespace(data='{"response": {"usage": {"input_tokens": 3}}}')]
    stream = SimpleNamespace(stream_iterator=iter(events))

    kept = keeping_events(stream)

    assert list(kept.stream_iterator) == events
    assert LiteLLMBackend().provider_chunks(kept) == [{"usage": {"input_tokens": 3}}]


def test_lines_that_older_litellm_reads_are_kept_too() -> None:
    lines = ["event: response.completed", 'data: {"response": {"usage": {"input_tokens": 3}}}', "", "data: [DONE]"]

    kept = keeping_events(SimpleNamespace(stream_iterator=iter(lines)))

    assert list(kept.stream_iterator) == lines
    assert LiteLLMBackend().provider_chunks(kept) == [{"usage": {"input_tokens": 3}}]


def test_events_of_an_async_stream_are_kept_too() -> None:
    async def events() -> Any:
        yield SimpleNamespace(data='{"response": {"usage": {"input_tokens": 3}}}')

    async def case() -> Any:
        stream = keeping_events(SimpleNamespace(stream_iterator=events()))
        return [event async for event in stream.stream_iterator], stream.chunks

    loop = asyncio.new_event_loop()
    try:
        given, kept = loop.run_until_complete(case())
    finally:
        loop.close()

    assert len(given) == 1
    assert kept == [{"usage": {"input_tokens": 3}}]


def test_a_stream_that_is_collected_changes_no_context_variable() -> None:
    from litellm.litellm_core_utils.streaming_handler import CustomStreamWrapper

    gateway.import_litellm()

    assert not hasattr(CustomStreamWrapper, "__del__")
