"""What the caller of one of LiteLLM's functions passed, and whether that is enough to send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentcore_metering.core.errors import RequestError
from agentcore_metering.core.operations import OPERATIONS
from agentcore_metering.core.texts import Text
from agentcore_metering.core.types import EMPTY

__all__ = ["CallArguments", "OperationArguments", "require_arguments", "require_messages"]


@dataclass(frozen=True, slots=True)
class CallArguments:
    """What the caller passed. None means: not passed, so the configuration or the provider decides."""

    messages: Any = field(repr=False)
    """Forwarded as the same object."""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: str | None = None
    response_format: Any = None
    tools: Any = field(default=None, repr=False)
    tool_choice: Any = None
    is_streaming: bool = False
    litellm_metadata: Mapping[str, Any] = field(default_factory=lambda: EMPTY, repr=False)
    """Merged into LiteLLM's `metadata`, which its own callbacks read; not sent to the provider."""
    traceparent: str | None = None
    """Passed to LiteLLM's own OpenTelemetry integration, which looks for it in `proxy_server_request`."""

    def as_operation(self) -> OperationArguments:
        """The same for LiteLLM's `completion`."""
        given = {
            "messages": self.messages,
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "reasoning_effort": self.reasoning_effort,
            "response_format": self.response_format,
            "tools": self.tools,
            "tool_choice": self.tool_choice,
        }
        return OperationArguments("completion", given, self.is_streaming, self.litellm_metadata, self.traceparent)


@dataclass(frozen=True, slots=True)
class OperationArguments:
    """What the caller of any of LiteLLM's functions passed."""

    function: str
    """One of `operations.OPERATIONS`."""
    given: Mapping[str, Any] = field(repr=False)
    """The function's own arguments by LiteLLM's names; None means not passed. `model` wins over the configuration's."""
    is_streaming: bool = False
    litellm_metadata: Mapping[str, Any] = field(default_factory=lambda: EMPTY, repr=False)
    """See `CallArguments`."""
    traceparent: str | None = None


def require_messages(messages: Any) -> None:
    """Refuse a call without messages before anything is looked up for it.

    Raises:
        RequestError: there are none.
    """
    if not messages:
        raise RequestError("Messages cannot be empty: pass at least one, for example {'role': 'user', 'content': 'Hi'}")


def require_arguments(function: str, given: Mapping[str, Any]) -> None:
    """Refuse a call without its required arguments before anything is looked up for it.

    Raises:
        RequestError: one of them is None or empty.
    """
    for name in OPERATIONS[function].required:
        value = given.get(name)
        if value is None or (isinstance(value, (str, bytes, list, tuple)) and not value):
            params = {"name": name, "function": function, "value": value}
            raise RequestError(Text("%(name)s cannot be empty for %(function)s: it is %(value)r.", params))
