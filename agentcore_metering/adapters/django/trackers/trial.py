"""A test of one configuration: a call like any other, by exactly this configuration, with its row, span and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.config.chain import ConfigChain
from agentcore_metering.adapters.django.runtime import get_metering
from agentcore_metering.adapters.django.trackers.decision import Decision
from agentcore_metering.adapters.django.trackers.messages import MESSAGES
from agentcore_metering.adapters.django.trackers.options import CallOptions
from agentcore_metering.adapters.django.trackers.outcomes import stream_usage
from agentcore_metering.adapters.django.trackers.state import usage_dict
from agentcore_metering.adapters.django.translated import translated
from agentcore_metering.constants import TEST_MAX_TOKENS
from agentcore_metering.core.completion import complete
from agentcore_metering.core.decisions import REFUSAL
from agentcore_metering.core.errors import MeteringError, UnusableAnswer
from agentcore_metering.core.failures import classify
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.masking import redact
from agentcore_metering.core.options import silence_of
from agentcore_metering.core.streaming import AsyncCompletionStream, CompletionStream
from agentcore_metering.core.types import FailureKind, ModelConfig

__all__ = ["CALL_NODE", "DecisionTrial", "Trial", "Verdict", "connection_trial"]

CALL_NODE = "admin_test_call"
"""Node of the row of a prompt that an admin tried out."""

CONFIG_NODE = "config_test"
"""Node of the row of a connection test."""

GREETING = "Hi"
CONNECTION_TEXT = "This is a test of the connection."
CONNECTION_QUESTIONS = ({"type": "predicate", "name": "is_test", "instructions": "Is the text about a test?"},)
"""What a chat model and a decision model are asked by a connection test."""

_TEXTS = {**MESSAGES, FailureKind.EMPTY_RESPONSE: _("LLM returned empty response")}

UsageDict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a test failed, in words for the admin who made it. Never a provider's own text, which may repeat a key."""

    error_key: str
    """`FailureKind`'s value, or the code of an error of ours."""
    text: str
    """In the language that was active when it was made."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One prompt to one configuration, for an admin."""

    config: ModelConfig
    prompt: str = field(repr=False)
    max_tokens: int
    node_name: str
    user_id: Any = None
    """Whose row it becomes."""

    @property
    def silence_s(self) -> float:
        """The longest that it may wait for its provider in one go: until the answer, or between two parts of it."""
        return silence_of(self.config.options)

    def run(self) -> tuple[str, UsageDict]:
        """The answer's text and its usage; raises as `LLMTracker.call_and_track` does."""
        answer = complete(self._begin(is_streaming=False))
        return answer.text, usage_dict(answer.record)

    def stream(self) -> CompletionStream[UsageDict]:
        """The same as a stream, whose return value is the usage."""
        return CompletionStream(self._begin(is_streaming=True), stream_usage)

    def astream(self) -> AsyncCompletionStream[UsageDict]:
        """The same for an event loop; the usage is its `result`."""
        return AsyncCompletionStream(self._begin(is_streaming=True), stream_usage)

    def explain(self, exc: Exception) -> Verdict:
        """What went wrong."""
        return _explained(exc, self.config)

    def _begin(self, *, is_streaming: bool) -> Call:
        state = None if self.user_id is None else {"user_id": self.user_id}
        messages = [{"role": "user", "content": self.prompt}]
        options = CallOptions(
            messages, max_tokens=self.max_tokens, node_name=self.node_name, state=state, stream=is_streaming
        )
        metering = get_metering()
        return options.begin(metering, options.caller, ConfigChain.only(metering.admit(self.config)))


@dataclass(frozen=True, slots=True)
class DecisionTrial:
    """Questions about one text to one configuration of a decision model, for an admin. With `must_answer` a refusal is a failure."""

    config: ModelConfig
    text: str = field(repr=False)
    questions: Sequence[Mapping[str, Any]] = field(repr=False)
    node_name: str
    user_id: Any = None
    """Whose row it becomes."""
    must_answer: bool = False

    @property
    def silence_s(self) -> float:
        """See `Trial`."""
        return silence_of(self.config.options)

    def run(self) -> tuple[list[dict[str, Any]], UsageDict]:
        """The answers and the usage; raises as `DecisionTracker.call_and_track` does."""
        state = {"node_name": self.node_name, "user_id": self.user_id}
        metering = get_metering()
        answers, usage = Decision(self.text, self.questions, state).ask(metering, metering.admit(self.config))
        if self.must_answer and any(answer["type"] == REFUSAL for answer in answers):
            raise Refused
        return answers, usage

    def explain(self, exc: Exception) -> Verdict:
        """What went wrong."""
        return _explained(exc, self.config)


def connection_trial(config: ModelConfig, user_id: Any, *, decides: bool = False) -> Trial | DecisionTrial:
    """The smallest call that shows whether a configuration works; with `decides` it is one of a decision model."""
    if decides:
        return DecisionTrial(config, CONNECTION_TEXT, CONNECTION_QUESTIONS, CONFIG_NODE, user_id, must_answer=True)
    return Trial(config, GREETING, TEST_MAX_TOKENS, CONFIG_NODE, user_id)


class Refused(Exception):
    """The model answered, and its answer is that it does not."""


def _explained(exc: Exception, config: ModelConfig) -> Verdict:
    if isinstance(exc, Refused):
        return Verdict(FailureKind.CONTENT_POLICY.value, str(_TEXTS[FailureKind.CONTENT_POLICY]))
    if isinstance(exc, MeteringError) and not isinstance(exc, UnusableAnswer):
        return Verdict(exc.code, redact(translated(exc), config.secrets))
    kind = classify(exc).kind
    return Verdict(kind.value, str(_TEXTS[kind]))
