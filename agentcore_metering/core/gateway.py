"""The one door to LiteLLM, and the only module that imports it.

LiteLLM takes seconds to import, so it is loaded at the first call and never at Django's start. Its own retries, debug output and
network price map play no part. What its figures mean is decided in `usage` and `pricing`, not here.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import math
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from agentcore_metering.core.errors import MissingExtra
from agentcore_metering.core.event_loops import forget_dead_clients
from agentcore_metering.core.log_masking import install_filter
from agentcore_metering.core.redirects import install as install_redirect_guard
from agentcore_metering.core.stream_layers import connections, keeping_events, layers

__all__ = ["LiteLLMBackend", "import_litellm", "price_entries", "price_entry", "price_map_version", "provider_of"]

logger = logging.getLogger(__name__)

NO_OWN_RETRIES: Mapping[str, Any] = {
    "num_retries": 0,
    "max_retries": 0,
    "retry_policy": {
        "BadRequestErrorRetries": 0,
        "AuthenticationErrorRetries": 0,
        "TimeoutErrorRetries": 0,
        "RateLimitErrorRetries": 0,
        "ContentPolicyViolationErrorRetries": 0,
        "InternalServerErrorRetries": 0,
    },
}
"""What makes LiteLLM, and the provider's SDK under it, send exactly one request."""

_MCP_HANDLER = "litellm.responses.mcp.litellm_proxy_mcp_handler"
_MCP_GATEWAY = "litellm_proxy"
_DEAF_STREAMS = ("gemini/", "vertex_ai/", "vertex_ai_beta/")
"""Providers whose sync streams LiteLLM reads without any timeout."""
_SDK_PROVIDERS = ("openai", "litellm_proxy", "text-completion-openai")


@cache
def _litellm() -> ModuleType:
    # Otherwise LiteLLM fetches its price map from the network while it is imported, and prices change with each restart.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    # Printed on stdout past every log filter: a help text on errors and, in verbose mode, keys and prompts in clear.
    litellm.suppress_debug_info = True
    litellm.set_verbose = False
    install_filter()
    install_redirect_guard()
    _take_finalizer_from_streams()
    if find_spec("mcp") is None:
        _stand_in_for_mcp_handler()
    module: ModuleType = litellm
    return module


def _take_finalizer_from_streams() -> None:
    """Streams of LiteLLM's put context variables back when they are collected, for the ids in its log lines; that is taken from them.

    The collector may come in the middle of any `ContextVar.set`, and a second one then corrupts the interpreter's memory: docs/adr/0009.
    """
    wrapper = import_module("litellm.litellm_core_utils.streaming_handler").CustomStreamWrapper
    if "__del__" in vars(wrapper):
        del wrapper.__del__


def _stand_in_for_mcp_handler() -> None:
    """Put a module that says "no" in the place of LiteLLM's MCP gateway, which cannot be imported here.

    `responses()` imports the gateway for every call, tools or not, and so does a chat model that it routes there; without the `mcp`
    extra none of them could be called. A call that does want the gateway is refused before (`_wants_mcp_gateway`).
    """

    class NoGateway:
        @staticmethod
        def should_use_litellm_mcp_gateway(tools: Any = None) -> bool:
            return False

        _should_use_litellm_mcp_gateway = should_use_litellm_mcp_gateway

    module = ModuleType(_MCP_HANDLER, _stand_in_for_mcp_handler.__doc__)
    module.LiteLLM_Proxy_MCP_Handler = NoGateway  # type: ignore[attr-defined]  # a module's names are free
    sys.modules[_MCP_HANDLER] = module


@cache
def _has_mcp_gateway() -> bool:
    """Whether LiteLLM's MCP gateway can be used. Side effect: where it cannot be imported, the stand-in is in its place."""
    try:
        module = import_module(_MCP_HANDLER)
    except ImportError:
        _stand_in_for_mcp_handler()
        return False
    return hasattr(module, "__file__")


def import_litellm() -> None:
    """LiteLLM is imported and set up after this; the first time it takes seconds, later nothing."""
    _litellm()


class LiteLLMBackend:
    """`CompletionBackend` by LiteLLM.

    `disable_stream_logging` switches off what LiteLLM does for each chunk of a stream on behalf of its own callbacks and cache: for the
    whole process, so for calls of others, too.
    """

    def __init__(self, *, disable_stream_logging: bool = False) -> None:
        self._disable_stream_logging = disable_stream_logging

    def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """LiteLLM's answer, or its stream wrapper with `stream=True`. One request, whatever its settings say.

        Raises:
            MissingExtra: this LiteLLM has no such function, or a tool asks for its own MCP gateway and its `mcp` extra is not installed.
        """
        litellm = self._set_up()
        # Looked up at each call: existing projects patch `litellm.completion` in their tests.
        answer = _function(litellm, function)(**_switched(function, arguments, is_async=False))
        return keeping_events(answer) if arguments.get("stream") else answer

    async def acall(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """The same on an event loop; with `stream=True` an async stream wrapper."""
        litellm = self._set_up()
        forget_dead_clients(litellm)
        answer = await _function(litellm, f"a{function}")(**_switched(function, arguments, is_async=True))
        return keeping_events(answer) if arguments.get("stream") else answer

    def _set_up(self) -> ModuleType:
        litellm = _litellm()
        if self._disable_stream_logging:
            litellm.disable_streaming_logging = True  # type: ignore[attr-defined]  # the module is untyped
        return litellm

    def close(self, stream: Any) -> None:
        """End the HTTP response under a sync stream that is not read to its end; LiteLLM's wrapper leaves that to the garbage collector.

        Nothing for an async stream, which `aclose` ends.
        """
        for layer in layers(stream):
            close = getattr(layer, "close", None)
            if callable(close) and not inspect.iscoroutinefunction(close):
                close()

    async def aclose(self, stream: Any) -> None:
        """End the HTTP response under an async stream, and what stands between."""
        for layer in (stream, *layers(stream)):
            close = getattr(layer, "aclose", None)
            if callable(close):
                await close()

    def cut(self, stream: Any) -> None:
        """Shut the sockets under a sync stream. Nothing where they are out of reach, or another call uses them (HTTP/2).

        Not by closing the response: that neither wakes the thread which reads it nor may be done while it does.
        """
        for connection in connections(stream):
            with suppress(OSError):  # it has ended meanwhile
                # Not `connection.shutdown`: of a TLS socket that takes away the decryption, too, from under a read in progress.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def provider_chunks(self, stream: Any) -> Sequence[Any] | None:
        """The chunks that LiteLLM's innermost wrapper keeps as they came, or None where none is in reach."""
        kept = [getattr(layer, "chunks", None) for layer in (stream, *layers(stream))]
        return next((chunks for chunks in reversed(kept) if isinstance(chunks, list)), None)

    def provider_model(self, stream: Any) -> str | None:
        """The model that answered, where LiteLLM keeps its name: on the chunks stands the one that was asked for."""
        kept = (getattr(layer, "_provider_response_model", None) for layer in (stream, *layers(stream)))
        return next((model for model in kept if isinstance(model, str) and model), None)

    def count_tokens(self, model: str, *, text: str | None = None, messages: Any = None) -> int | None:
        """LiteLLM's local count, or None when its tokenizer cannot tell."""
        try:
            if messages is not None:
                return int(_litellm().token_counter(model=model, messages=messages))
            return int(_litellm().token_counter(model=model, text=text or ""))
        except Exception as exc:  # noqa: BLE001 - any tokenizer may fail on any input; an estimate is never worth a call
            logger.debug("LiteLLM cannot count the tokens of %s: %s", model, type(exc).__name__)
            return None


def _function(litellm: ModuleType, name: str) -> Callable[..., Any]:
    found: Callable[..., Any] | None = getattr(litellm, name, None)
    if found is None:
        raise MissingExtra(
            f"The LiteLLM that is installed has no {name}(); a later release has: pip install -U litellm."
        )
    return found


def _switched(function: str, arguments: Mapping[str, Any], *, is_async: bool) -> dict[str, Any]:
    """`arguments` with what keeps LiteLLM to exactly one request that ends in time."""
    switched = {**arguments, **NO_OWN_RETRIES}
    for switch in _SWITCHES.get(function, ()):
        switched |= switch(arguments, is_async)
    return switched


def _tool_switches(arguments: Mapping[str, Any], _is_async: bool) -> Mapping[str, Any]:
    """What lets LiteLLM take tools without its MCP extra, which it otherwise imports for every call with tools."""
    tools = arguments.get("tools")
    if "responses/" in str(arguments.get("model")):
        _has_mcp_gateway()
    return {"_skip_mcp_handler": True} if tools and not _wants_mcp_gateway(tools) else {}


def _responses_switches(arguments: Mapping[str, Any], _is_async: bool) -> Mapping[str, Any]:
    _has_mcp_gateway()
    return {} if _wants_mcp_gateway(arguments.get("tools")) else {"_skip_mcp_handler": True}


def _wants_mcp_gateway(tools: Any) -> bool:
    """Whether a tool names LiteLLM's own gateway, rather than an MCP server that the provider itself calls."""
    wants = any(
        isinstance(tool, Mapping)
        and tool.get("type") == "mcp"
        and str(tool.get("server_url", "")).startswith(_MCP_GATEWAY)
        for tool in tools or ()
    )
    if wants and not _has_mcp_gateway():
        raise MissingExtra(
            f"A tool's server_url names LiteLLM's MCP gateway ({_MCP_GATEWAY}), which needs LiteLLM's mcp extra: "
            "pip install 'litellm[mcp]', or name the MCP server's own address."
        )
    return wants


def _stream_client(arguments: Mapping[str, Any], is_async: bool) -> Mapping[str, Any]:
    """An HTTP client that gives up, for the sync streams that LiteLLM would read without a timeout."""
    timeout_s = arguments.get("timeout")
    is_deaf = str(arguments.get("model")).startswith(_DEAF_STREAMS)
    if is_async or not is_deaf or not arguments.get("stream") or not isinstance(timeout_s, (int, float)):
        return {}
    # Whole seconds: LiteLLM keeps a client, and its connections, for each value.
    handler = import_module("litellm.llms.custom_httpx.http_handler")
    make = _named(handler, "get_httpx_client")
    return {"client": make(params={"timeout": math.ceil(timeout_s)})}


def _named(owner: Any, name: str) -> Any:
    """LiteLLM's function of this name, which earlier releases of it kept for themselves by an underscore."""
    return getattr(owner, name, None) or getattr(owner, f"_{name}")


class _GivenZero(int):
    """A zero that `max_retries or 2` does not take for nothing."""

    def __bool__(self) -> bool:
        return True


def _embedding_switches(_arguments: Mapping[str, Any], _is_async: bool) -> Mapping[str, Any]:
    return {"max_retries": _GivenZero(0)}


class _OneRequest:
    """An OpenAI client whose number of retries nobody can raise: LiteLLM sets it to 2 on every client that makes images."""

    def __init__(self, client: Any) -> None:
        object.__setattr__(self, "_client", client)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_client"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Left as it is."""


def _sdk_client(arguments: Mapping[str, Any], is_async: bool) -> Mapping[str, Any]:
    """The client that LiteLLM itself uses for chat, kept to one request; nothing for a provider without OpenAI's SDK or a key.

    Left to itself, LiteLLM makes images by up to three requests, and text completions by a new connection each, which it never closes.
    """
    resolve: Any = _litellm().get_llm_provider
    named = {name: arguments.get(name) for name in ("custom_llm_provider", "api_base", "api_key")}
    _, provider, key, base = resolve(model=arguments["model"], **named)
    key = key or arguments.get("api_key")
    if provider not in _SDK_PROVIDERS or not key:
        return {}
    maker: Any = import_module("litellm.llms.openai.openai").OpenAIChatCompletion()
    client = _named(maker, "get_openai_client")(
        is_async,
        api_key=key,
        api_base=base or arguments.get("api_base"),
        timeout=arguments.get("timeout"),
        max_retries=0,
        organization=arguments.get("organization"),
    )
    return {"client": _OneRequest(client)}


_SWITCHES: Mapping[str, tuple[Callable[[Mapping[str, Any], bool], Mapping[str, Any]], ...]] = {
    "completion": (_tool_switches, _stream_client),
    "embedding": (_embedding_switches,),
    "image_generation": (_sdk_client,),
    "responses": (_responses_switches,),
    "text_completion": (_sdk_client,),
}


def provider_of(model: str, api_base: str | None = None) -> str | None:
    """The LiteLLM provider that a model's name and endpoint lead to, or None where LiteLLM knows none."""
    litellm = _litellm()
    prefix, slash, _ = model.partition("/")
    # Not asked of LiteLLM, which for some providers looks for credentials while it is at it.
    if slash and prefix in litellm.provider_list:
        return str(getattr(prefix, "value", prefix))
    try:
        return str(litellm.get_llm_provider(model=model, api_base=api_base)[1])
    except Exception as exc:  # noqa: BLE001 - whatever LiteLLM thinks of such a model, it says when it is called
        logger.debug("LiteLLM knows no provider of the model %s: %s", model, type(exc).__name__)
        return None


def price_entry(key: str) -> Mapping[str, Any] | None:
    """LiteLLM's price map entry under exactly this key, or None."""
    entry = _litellm().model_cost.get(key)
    return entry if isinstance(entry, Mapping) else None


def price_entries() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every entry of LiteLLM's price map with its key: the models that it knows, their modes, limits and prices."""
    for key, entry in _litellm().model_cost.items():
        if isinstance(entry, Mapping):
            yield str(key), entry


@cache
def price_map_version() -> str:
    """Release and content hash of the price map in use, for example `litellm 1.106.2 sha256:0f3a9c1b`.

    The hash is of the map in memory, since a host may have replaced or extended the bundled one.
    """
    from importlib.metadata import version

    content = json.dumps(_litellm().model_cost, sort_keys=True, default=str).encode()
    return f"litellm {version('litellm')} sha256:{hashlib.sha256(content).hexdigest()[:8]}"
