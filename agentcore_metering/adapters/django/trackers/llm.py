"""`LLMTracker`: the call that business code makes. Old signature in, one core call, old shapes out."""

from __future__ import annotations

from typing import Any

from agentcore_metering.adapters.django.off_loop import off_loop
from agentcore_metering.adapters.django.runtime import get_metering
from agentcore_metering.adapters.django.trackers.caller import State
from agentcore_metering.adapters.django.trackers.legacy import call_ready, message_payload, save_usage
from agentcore_metering.adapters.django.trackers.operations import AsyncOperation, SyncOperation
from agentcore_metering.adapters.django.trackers.options import CallOptions
from agentcore_metering.adapters.django.trackers.outcomes import raise_friendly, stream_usage, translation
from agentcore_metering.adapters.django.trackers.state import message_dict, usage_dict
from agentcore_metering.core.arguments import require_messages
from agentcore_metering.core.completion import Answer, acomplete, complete
from agentcore_metering.core.json_mode import repair_json_object
from agentcore_metering.core.streaming import AsyncCompletionStream, CompletionStream

__all__ = ["LLMTracker"]

UsageDict = dict[str, Any]


class LLMTracker:
    """Calls a model through LiteLLM and meters it: one span, its metrics, one row per request to the provider.

    The other functions of LiteLLM take their own arguments first, then `node_name`, `state`, `model_uuid`, `strict_user_scope` and
    `friendly_errors` as of `call_and_track`, and hand every further keyword to LiteLLM; `model` among them wins over the
    configuration's. They give `(response, usage)` with LiteLLM's own response object; `text_completion` and `responses` can stream.
    """

    embedding = SyncOperation("embedding")
    aembedding = AsyncOperation("embedding")
    image_generation = SyncOperation("image_generation")
    aimage_generation = AsyncOperation("image_generation")
    text_completion = SyncOperation("text_completion")
    atext_completion = AsyncOperation("text_completion")
    responses = SyncOperation("responses")
    aresponses = AsyncOperation("responses")
    rerank = SyncOperation("rerank")
    arerank = AsyncOperation("rerank")
    transcription = SyncOperation("transcription")
    atranscription = AsyncOperation("transcription")
    speech = SyncOperation("speech")
    aspeech = AsyncOperation("speech")

    # Private in the reference, and called by existing projects all the same.
    _call_and_track_non_stream_once = staticmethod(call_ready)
    _save_usage_to_db = staticmethod(save_usage)

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
                `litellm_metadata`, `otel_traceparent`, `conversation_id` (on the span). Side effect: each attempt is appended to `state["llm_calls"]`.
            model_uuid: the configuration to use; None resolves user -> global -> Django settings.
            strict_user_scope: a call that has a user takes that user's configuration or none.
            friendly_errors: raise `LLMProviderError`, whose text is for end users, in place of the provider's exception.

        Raises:
            RequestError, ConfigError (both ValueError): nothing was sent.
            UnusableAnswer (a ValueError): the answer was empty, or no JSON object.
            Exception: the provider's own, unchanged in type and identity.
        """
        require_messages(messages)
        options = CallOptions(
            messages, json_mode, max_tokens, temperature, top_p, reasoning_effort, response_format, node_name, state, model_uuid,
            stream, json_repair, json_attempts, tools, tool_choice, return_message, strict_user_scope, friendly_errors,
        )  # fmt: skip
        metering = get_metering()
        caller = options.caller
        call = options.begin(metering, caller, caller.find_chain(metering))
        if stream:
            return CompletionStream(call, stream_usage, translation(is_wanted=friendly_errors))
        try:
            return _shaped(complete(call, options.rule), options)
        except Exception as exc:
            raise_friendly(exc, is_wanted=friendly_errors)
            raise

    @staticmethod
    async def acall_and_track(  # noqa: PLR0913 - the signature of `call_and_track`
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
        """`call_and_track` on an event loop, which it never blocks with the database.

        With `stream` an async generator, `async for kind, text in await LLMTracker.acall_and_track(..., stream=True)`; what the sync one
        returns at its end is its `result`. A cancelled task ends the call as cancelled.
        """
        require_messages(messages)
        options = CallOptions(
            messages, json_mode, max_tokens, temperature, top_p, reasoning_effort, response_format, node_name, state, model_uuid,
            stream, json_repair, json_attempts, tools, tool_choice, return_message, strict_user_scope, friendly_errors,
        )  # fmt: skip
        metering = get_metering()
        caller = options.caller
        call = options.begin(metering, caller, await off_loop(caller.find_chain, metering))
        if stream:
            return AsyncCompletionStream(call, stream_usage, translation(is_wanted=friendly_errors))
        try:
            return _shaped(await acomplete(call, options.rule), options)
        except Exception as exc:
            raise_friendly(exc, is_wanted=friendly_errors)
            raise


def _shaped(answer: Answer, options: CallOptions) -> tuple[Any, UsageDict]:
    return message_dict(answer.reply) if options.gives_message else answer.text, usage_dict(answer.record)


def _raise_friendly(exc: Exception, friendly_errors: bool) -> None:
    raise_friendly(exc, is_wanted=friendly_errors)


_assistant_message_payload = message_payload
_repair_json_obj = repair_json_object
