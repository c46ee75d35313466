"""What a caller of `call_and_track` passed, as one value for sync and async alike."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from agentcore_metering.adapters.django.config.chain import ConfigChain
from agentcore_metering.adapters.django.runtime import Metering
from agentcore_metering.adapters.django.trackers.caller import Caller, State
from agentcore_metering.core.arguments import CallArguments
from agentcore_metering.core.completion import PLAIN_TEXT, AnswerRule, json_object
from agentcore_metering.core.lifecycle import Call

__all__ = ["CallOptions"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The arguments of `LLMTracker.call_and_track`, in their order; see there."""

    messages: Any = field(repr=False)
    json_mode: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    reasoning_effort: str | None = None
    response_format: Any = None
    node_name: str = "unknown"
    state: State | None = field(default=None, repr=False)
    model_uuid: Any = None
    stream: bool = False
    json_repair: bool | None = None
    json_attempts: int = 3
    tools: Any = field(default=None, repr=False)
    tool_choice: Any = None
    return_message: bool = False
    strict_user_scope: bool = False
    friendly_errors: bool = False

    @property
    def caller(self) -> Caller:
        """Who calls, and by which configuration."""
        return Caller(self.node_name, self.state, self.model_uuid, self.strict_user_scope, self.friendly_errors)

    @property
    def repairs_json(self) -> bool:
        """Whether the answer must be a JSON object and is repaired into one."""
        return self.json_mode and self.json_repair is not False and not self.stream

    @property
    def gives_message(self) -> bool:
        """Whether the caller gets the message as a dict rather than its text."""
        return self.return_message and not self.repairs_json

    @property
    def rule(self) -> AnswerRule:
        """What makes an answer usable."""
        return json_object(self.json_attempts) if self.repairs_json else PLAIN_TEXT

    def begin(self, metering: Metering, caller: Caller, chain: ConfigChain) -> Call:
        """The call of `caller` by these configurations; it has begun.

        Raises:
            ConfigError: the configuration cannot be used; nothing has begun.
        """
        if self.stream and (self.return_message or self.json_repair):
            logger.warning("return_message and json_repair have no effect on a stream")
        arguments = CallArguments(
            messages=self.messages,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            reasoning_effort=self.reasoning_effort,
            response_format=self.response_format or ({"type": "json_object"} if self.json_mode else None),
            tools=self.tools,
            tool_choice=self.tool_choice,
            is_streaming=self.stream,
            **caller.litellm_arguments,
        )
        return caller.begin_chain(metering, chain, arguments)
