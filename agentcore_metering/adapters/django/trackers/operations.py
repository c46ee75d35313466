"""Every other way to call a model: LiteLLM's functions besides `completion`, each metered as a chat is.

One class for the sync and one for the async half of them; what tells them apart is `core.operations`' table.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from agentcore_metering.adapters.django.off_loop import off_loop
from agentcore_metering.adapters.django.runtime import get_metering
from agentcore_metering.adapters.django.trackers.caller import Caller
from agentcore_metering.adapters.django.trackers.outcomes import (
    raise_friendly,
    stream_usage,
    stream_usage_with_id,
    translation,
)
from agentcore_metering.adapters.django.trackers.state import usage_dict
from agentcore_metering.core.arguments import OperationArguments, require_arguments
from agentcore_metering.core.completion import ANY_ANSWER, Answer, acomplete, complete
from agentcore_metering.core.operations import OPERATIONS
from agentcore_metering.core.stream_run import StreamAnswer
from agentcore_metering.core.streaming import AsyncCompletionStream, CompletionStream

__all__ = ["AsyncOperation", "SyncOperation"]

UsageDict = dict[str, Any]

_CALLER_DEFAULTS = {
    "node_name": "unknown",
    "state": None,
    "model_uuid": None,
    "strict_user_scope": False,
    "friendly_errors": False,
}
_STREAM_RESULTS: dict[str, Callable[[StreamAnswer], UsageDict]] = {
    "text_completion": stream_usage,
    "responses": stream_usage_with_id,
}
"""The functions that can stream text."""


class _Operation:
    """A call of one of LiteLLM's functions: its own required arguments first, then who calls, then LiteLLM's options."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.__signature__ = _signature(function)

    def _read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Caller, OperationArguments]:
        bound = self.__signature__.bind(*args, **kwargs)
        bound.apply_defaults()
        passed = {**bound.arguments}
        options = passed.pop("options")
        caller = Caller(**{name: passed.pop(name) for name in _CALLER_DEFAULTS})
        is_streaming = bool(passed.pop("stream", False))
        given = {**passed, **options}
        require_arguments(self.function, given)
        return caller, OperationArguments(self.function, given, is_streaming, **caller.litellm_arguments)


class SyncOperation(_Operation):
    """`(response, usage)` with LiteLLM's own response; with `stream` a generator as of `LLMTracker.call_and_track`.

    Raises:
        RequestError, ConfigError (both ValueError): nothing was sent.
        EmptyResponse (a ValueError): there was no answer.
        Exception: the provider's own, unchanged in type and identity.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The call; `inspect.signature` shows its arguments."""
        caller, arguments = self._read(args, kwargs)
        metering = get_metering()
        config = caller.find_config(metering, self.function, names_model=arguments.given.get("model") is not None)
        call = caller.begin(metering, config, arguments)
        if arguments.is_streaming:
            finish = _STREAM_RESULTS[self.function]
            return CompletionStream(call, finish, translation(is_wanted=caller.friendly_errors))
        try:
            return _shaped(complete(call, ANY_ANSWER))
        except Exception as exc:
            raise_friendly(exc, is_wanted=caller.friendly_errors)
            raise


class AsyncOperation(_Operation):
    """The same on an event loop; with `stream` an async generator as of `LLMTracker.acall_and_track`."""

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The call; `inspect.signature` shows its arguments."""
        caller, arguments = self._read(args, kwargs)
        metering = get_metering()
        names_model = arguments.given.get("model") is not None
        config = await off_loop(caller.find_config, metering, self.function, names_model=names_model)
        call = caller.begin(metering, config, arguments)
        if arguments.is_streaming:
            finish = _STREAM_RESULTS[self.function]
            return AsyncCompletionStream(call, finish, translation(is_wanted=caller.friendly_errors))
        try:
            return _shaped(await acomplete(call, ANY_ANSWER))
        except Exception as exc:
            raise_friendly(exc, is_wanted=caller.friendly_errors)
            raise


def _shaped(answer: Answer) -> tuple[Any, UsageDict]:
    return answer.response, usage_dict(answer.record)


def _signature(function: str) -> Signature:
    required = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in OPERATIONS[function].required]
    keywords = {**_CALLER_DEFAULTS, **({"stream": False} if function in _STREAM_RESULTS else {})}
    caller = [Parameter(name, Parameter.KEYWORD_ONLY, default=default) for name, default in keywords.items()]
    return Signature([*required, *caller, Parameter("options", Parameter.VAR_KEYWORD)])
