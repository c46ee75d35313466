"""`LLMTracker`: the call that business code makes. Old signature in, one core call, old shapes out."""

from __future__ import annotations

import logging
from collections.abc import Generator, MutableMapping
from typing import Any

from agentcore_metering.adapters.django.runtime import get_metering
from agentcore_metering.adapters.django.trackers.messages import to_friendly
from agentcore_metering.adapters.django.trackers.state import (
    append_llm_call,
    litellm_metadata,
    message_dict,
    parse_state,
    usage_dict,
)
from agentcore_metering.core.completion import PLAIN_TEXT, AnswerRule, complete, json_object
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.request import CallArguments, build_request, require_messages
from agentcore_metering.core.streaming import CompletionStream, StreamAnswer
from agentcore_metering.core.types import AttemptRecord

__all__ = ["LLMTracker"]

logger = logging.getLogger(__name__)

State = MutableMapping[str, Any]
UsageDict = dict[str, Any]
Stream = Generator[tuple[str, str], None, UsageDict]


class LLMTracker:
    """Calls a model through LiteLLM and meters it: one span, its metrics, one row per request to the provider."""

    @staticmethod
    def call_and_track(  # noqa: PLR0913 - existing projects call it by this signature
        messages: Any,
        json_mode: bool = False,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        reasoning_effort: str | None = None,
        response_format: Any = None,
        node_name: str = "unknown",
        state: State | None = None,
        model_uuid: Any = None,
        stream: bool = False,
        json_repair: bool | None = None,
        json_attempts: int = 3,
        tools: Any = None,
        tool_choice: Any = None,
        return_message: bool = False,
        strict_user_scope: bool = False,
        friendly_errors: bool = False,
    ) -> Any:
        """`(text, usage)`; `(message, usage)` with `return_message`; with `stream` a generator of `("content" | "reasoning", text)`.

        `usage` has `model`, `prompt_tokens`, `completion_tokens`, `total_tokens`, `cached_tokens`, `reasoning_tokens`, `cost` (a float,
        or None when unknown) and `cost_currency`. It is the generator's return value, with `_tool_calls` and `_finish_reason` where the
        answer had them. The span begins when this is called, also for a stream; the provider of a stream is called at the first `next()`.

        Args:
            messages: OpenAI-style messages, forwarded unchanged.
            json_mode: ask for a JSON object; the answer is repaired, or asked for again up to `json_attempts` times, unless
                `json_repair` is False. With repair the text is returned, whatever `return_message` says.
            max_tokens, temperature, top_p, reasoning_effort, response_format, tools, tool_choice: as LiteLLM's; None leaves it to the
                configuration, and after that to the provider.
            node_name: the step that calls; `state["node_name"]` wins.
            state: who calls: `user_id`, `source_type`, `source_path`, `source_task_id`, `metadata` (kept on the row),
                `litellm_metadata`, `otel_traceparent`. Side effect: each attempt is appended to `state["llm_calls"]`.
            model_uuid: the configuration to use; None resolves user -> global -> Django settings.
            strict_user_scope: a call that has a user takes that user's configuration or none.
            friendly_errors: raise `LLMProviderError`, whose text is for end users, in place of the provider's exception.

        Raises:
            RequestError, ConfigError (both ValueError): nothing was sent.
            UnusableAnswer (a ValueError): the answer was empty, or no JSON object.
            Exception: the provider's own, unchanged in type and identity.
        """
        require_messages(messages)
        metering = get_metering()
        context = parse_state(state, node_name)
        config = metering.resolve_config(context.user_id, model_uuid, strict_user_scope=strict_user_scope)
        arguments = CallArguments(
            messages=messages,
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            reasoning_effort=reasoning_effort,
            response_format=response_format or ({"type": "json_object"} if json_mode else None),
            tools=tools,
            tool_choice=tool_choice,
            is_streaming=stream,
            litellm_metadata=litellm_metadata(state),
            traceparent=context.traceparent,
        )
        request = build_request(config, arguments, redact_exceptions=metering.redacts_exceptions)

        def note_attempt(record: AttemptRecord) -> None:
            append_llm_call(state, record)

        call = Call(metering.services, request, context, note_attempt)
        repairs_json = json_mode and json_repair is not False
        if stream:
            if return_message or json_repair:
                logger.warning("return_message and json_repair have no effect on a stream")
            return _stream(call, friendly_errors=friendly_errors)
        rule = json_object(json_attempts) if repairs_json else PLAIN_TEXT
        return _complete(
            call, rule, return_message=return_message and not repairs_json, friendly_errors=friendly_errors
        )


def _complete(call: Call, rule: AnswerRule, *, return_message: bool, friendly_errors: bool) -> tuple[Any, UsageDict]:
    try:
        answer = complete(call, rule)
    except Exception as exc:
        _raise_friendly(exc, friendly_errors)
        raise
    return message_dict(answer.reply) if return_message else answer.text, usage_dict(answer.record)


def _stream(call: Call, *, friendly_errors: bool) -> Stream:
    return CompletionStream(call, _stream_usage, _to_friendly_or_same if friendly_errors else None)


def _stream_usage(answer: StreamAnswer) -> UsageDict:
    usage = usage_dict(answer.record)
    if answer.tool_calls:
        usage["_tool_calls"] = [dict(call) for call in answer.tool_calls]
    if answer.finish_reason is not None:
        usage["_finish_reason"] = answer.finish_reason
    return usage


def _raise_friendly(exc: Exception, is_wanted: bool) -> None:
    """Raise the end user's version of `exc` from it, if wanted and if there is one."""
    friendly = to_friendly(exc) if is_wanted else None
    if friendly is not None:
        raise friendly from exc


def _to_friendly_or_same(exc: Exception) -> Exception:
    return to_friendly(exc) or exc
