"""`DecisionTracker`: typed questions about a text, answered by a decision model or in its place by a chat model, and metered as any call is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agentcore_metering.adapters.django.config.source import secret_values
from agentcore_metering.adapters.django.off_loop import off_loop
from agentcore_metering.adapters.django.runtime import Metering, get_metering
from agentcore_metering.adapters.django.trackers.caller import Caller, State
from agentcore_metering.adapters.django.trackers.state import usage_dict
from agentcore_metering.core.arguments import CallArguments, OperationArguments
from agentcore_metering.core.completion import Answer, AnswerRule, acomplete, complete
from agentcore_metering.core.decision_providers import DECISIONS
from agentcore_metering.core.decisions import CHAT_RESPONSE_FORMAT, chat_messages, read_answers, require_decision
from agentcore_metering.core.errors import RequestError
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.responses import Reply
from agentcore_metering.core.texts import Text
from agentcore_metering.core.types import ConfigScope, ModelConfig

__all__ = ["Decision", "DecisionTracker"]

DECISION, LLM = "decision", "llm"
CHAT_ATTEMPTS = 3
"""How often a chat model is asked for answers that can be read."""

Answers = list[dict[str, Any]]
UsageDict = dict[str, Any]


class DecisionTracker:
    """Asks typed questions about a text: `(answers, usage)`, with one answer for each question in their order.

    A question is a dict with `type` (`predicate`, `choice` with `choices`, `score` with `levels`), `instructions` and, if wanted, `name`;
    see docs/calling-models.md. An answer is a dict with the question's `type` (or `refusal`) and `name`, and `probability`, `choice` or
    `score`. What follows from a probability is the caller's own affair.

    Raises:
        RequestError, ConfigError (both ValueError): nothing was sent.
        UnusableAnswer (a ValueError): there was no answer to these questions.
        Exception: the provider's own, unchanged in type and identity.
    """

    @staticmethod
    def call_and_track(
        *,
        input: str,
        questions: Sequence[Mapping[str, Any]],
        model_uuid: Any,
        state: State | None = None,
        reasoning_effort: str | None = None,
    ) -> tuple[Answers, UsageDict]:
        """The answers by the configuration `model_uuid`, of type `decision`; None takes the user's, else the global default of that type.

        `usage` and `state` are those of `LLMTracker.call_and_track`. `reasoning_effort` is for chat models alone, so for none here.
        """
        decision = Decision(input, questions, state, reasoning_effort)
        metering = get_metering()
        return decision.ask(metering, decision.find_config(metering, model_uuid))

    @staticmethod
    async def acall_and_track(
        *,
        input: str,
        questions: Sequence[Mapping[str, Any]],
        model_uuid: Any,
        state: State | None = None,
        reasoning_effort: str | None = None,
    ) -> tuple[Answers, UsageDict]:
        """`call_and_track` on an event loop."""
        decision = Decision(input, questions, state, reasoning_effort)
        metering = get_metering()
        return await decision.aask(metering, await off_loop(decision.find_config, metering, model_uuid))

    @staticmethod
    def call_with_config(  # noqa: PLR0913 - existing projects call it by this signature
        *,
        provider: str,
        config: Mapping[str, Any],
        input: str,
        questions: Sequence[Mapping[str, Any]],
        state: State | None = None,
        config_uuid: Any = None,
        model_type: str = DECISION,
        reasoning_effort: str | None = None,
    ) -> tuple[Answers, UsageDict]:
        """The answers by a configuration that need not be stored; its address is judged as a stored one's.

        With `model_type` `llm` a chat model is asked, in JSON mode and up to three times. `config_uuid` is whose row it becomes.
        """
        decision = Decision(input, questions, state, reasoning_effort, model_type)
        options = dict(config)
        candidate = ModelConfig(
            str(provider).strip().lower(), options, ConfigScope.GLOBAL, _uuid(config_uuid), secret_values(options)
        )
        metering = get_metering()
        return decision.ask(metering, metering.admit(candidate))


@dataclass(frozen=True, slots=True)
class Decision:
    """One text with its questions, checked when it is made."""

    text: str = field(repr=False)
    questions: Sequence[Mapping[str, Any]] = field(repr=False)
    state: State | None = field(default=None, repr=False)
    reasoning_effort: str | None = None
    model_type: str = DECISION

    def __post_init__(self) -> None:
        if self.model_type not in (DECISION, LLM):
            raise RequestError(
                Text("A decision is asked of a model of type decision or llm, not %(type)r.", {"type": self.model_type})
            )
        require_decision(self.text, self.questions)

    def find_config(self, metering: Metering, model_uuid: Any) -> ModelConfig:
        """The stored configuration of a decision model; raises ConfigNotFound where there is none that the caller may use."""
        return Caller(state=self.state, model_uuid=model_uuid).find_config(metering, DECISIONS)

    def ask(self, metering: Metering, config: ModelConfig) -> tuple[Answers, UsageDict]:
        """The answers, and what they cost."""
        return _shaped(complete(self._begin(metering, config), self._rule))

    async def aask(self, metering: Metering, config: ModelConfig) -> tuple[Answers, UsageDict]:
        """The same on an event loop."""
        return _shaped(await acomplete(self._begin(metering, config), self._rule))

    @property
    def _is_chat(self) -> bool:
        return self.model_type == LLM

    @property
    def _rule(self) -> AnswerRule:
        return AnswerRule(self._extract, CHAT_ATTEMPTS if self._is_chat else 1)

    def _extract(self, reply: Reply) -> tuple[str, Mapping[str, Any]]:
        return json.dumps(read_answers(reply, self.questions, is_chat=self._is_chat)), {}

    def _begin(self, metering: Metering, config: ModelConfig) -> Call:
        notes = {
            "model_type": self.model_type,
            "endpoint": "chat" if self._is_chat else DECISIONS,
            "question_count": len(self.questions),
        }
        if config.uuid is not None:
            notes["config_uuid"] = str(config.uuid)
        caller = Caller(state=self.state, notes=notes)
        return caller.begin(metering, config, self._arguments(caller))

    def _arguments(self, caller: Caller) -> CallArguments | OperationArguments:
        if self._is_chat:
            return CallArguments(
                messages=chat_messages(self.text, self.questions),
                reasoning_effort=self.reasoning_effort,
                response_format=CHAT_RESPONSE_FORMAT,
                **caller.litellm_arguments,
            )
        given = {"input": self.text, "questions": [dict(question) for question in self.questions]}
        return OperationArguments(DECISIONS, given, **caller.litellm_arguments)


def _shaped(answer: Answer) -> tuple[Answers, UsageDict]:
    answers: Answers = json.loads(answer.text)
    return answers, usage_dict(answer.record)


def _uuid(value: Any) -> UUID | None:
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        return None
