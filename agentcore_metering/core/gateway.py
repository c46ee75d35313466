"""The one door to LiteLLM, and the only module that imports it.

LiteLLM takes seconds to import, so it is loaded at the first call and never at Django's start. Its own retries, debug output and
network price map play no part. What its figures mean is decided in `usage` and `pricing`, not here.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

__all__ = ["LiteLLMBackend", "price_entry", "price_map_version"]

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


@cache
def _litellm() -> ModuleType:
    # Otherwise LiteLLM fetches its price map from the network while it is imported, and prices change with each restart.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    # Printed on stdout past every log filter: a help text on errors and, in verbose mode, keys and prompts in clear.
    litellm.suppress_debug_info = True
    litellm.set_verbose = False
    module: ModuleType = litellm
    return module


class LiteLLMBackend:
    """`CompletionBackend` by LiteLLM."""

    def complete(self, arguments: Mapping[str, Any]) -> Any:
        """LiteLLM's answer, or its stream wrapper with `stream=True`. One request, whatever its settings say."""
        # Looked up at each call: existing projects patch `litellm.completion` in their tests.
        return _litellm().completion(**_switched(arguments))

    async def acomplete(self, arguments: Mapping[str, Any]) -> Any:
        """The same on an event loop; with `stream=True` an async stream wrapper."""
        return await _litellm().acompletion(**_switched(arguments))

    def close(self, stream: Any) -> None:
        """End the HTTP response under a sync stream that is not read to its end; LiteLLM's wrapper leaves that to the garbage collector.

        Nothing for an async stream, which `aclose` ends.
        """
        for layer in _layers(stream):
            close = getattr(layer, "close", None)
            if callable(close) and not inspect.iscoroutinefunction(close):
                close()

    def count_tokens(self, model: str, *, text: str | None = None, messages: Any = None) -> int | None:
        """LiteLLM's local count, or None when its tokenizer cannot tell."""
        try:
            if messages is not None:
                return int(_litellm().token_counter(model=model, messages=messages))
            return int(_litellm().token_counter(model=model, text=text or ""))
        except Exception as exc:  # noqa: BLE001 - any tokenizer may fail on any input; an estimate is never worth a call
            logger.debug("LiteLLM cannot count the tokens of %s: %s", model, type(exc).__name__)
            return None


def _layers(stream: Any) -> Iterator[Any]:
    """What stands between LiteLLM's stream wrapper and the response: an SDK's stream, or an iterator over the lines of a response."""
    inner = getattr(stream, "completion_stream", None)
    if inner is not None:
        yield inner
        lines = getattr(inner, "streaming_response", None)
        if lines is not None:
            yield lines


def _switched(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {**arguments, **NO_OWN_RETRIES, **_tool_switches(arguments.get("tools"))}


def _tool_switches(tools: Any) -> Mapping[str, Any]:
    """What lets LiteLLM take plain tools without its MCP extra, which it otherwise imports for every call with tools."""
    has_mcp_tool = any(isinstance(tool, Mapping) and tool.get("type") == "mcp" for tool in tools or ())
    return {"_skip_mcp_handler": True} if tools and not has_mcp_tool else {}


def price_entry(key: str) -> Mapping[str, Any] | None:
    """LiteLLM's price map entry under exactly this key, or None."""
    entry = _litellm().model_cost.get(key)
    return entry if isinstance(entry, Mapping) else None


@cache
def price_map_version() -> str:
    """Release and content hash of the price map in use, for example `litellm 1.106.2 sha256:0f3a9c1b`.

    The hash is of the map in memory, since a host may have replaced or extended the bundled one.
    """
    from importlib.metadata import version

    content = json.dumps(_litellm().model_cost, sort_keys=True, default=str).encode()
    return f"litellm {version('litellm')} sha256:{hashlib.sha256(content).hexdigest()[:8]}"
