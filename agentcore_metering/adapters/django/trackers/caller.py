"""Who makes a call and by which configuration: the keywords that every method of `LLMTracker` has, as one value."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from agentcore_metering.adapters.django.config.chain import ConfigChain
from agentcore_metering.adapters.django.runtime import Metering
from agentcore_metering.adapters.django.trackers.routes import build_requests, fallback_plan
from agentcore_metering.adapters.django.trackers.state import (
    append_llm_call,
    litellm_metadata,
    parse_state,
    traceparent_of,
)
from agentcore_metering.core.arguments import CallArguments, OperationArguments
from agentcore_metering.core.errors import ConfigNotFound
from agentcore_metering.core.lifecycle import Call
from agentcore_metering.core.operations import OPERATIONS
from agentcore_metering.core.types import EMPTY, AttemptRecord, CallContext, ModelConfig

__all__ = ["Caller", "State"]

State = MutableMapping[str, Any]

LLM = "llm"


@dataclass(frozen=True, slots=True)
class Caller:
    """See `LLMTracker.call_and_track` for what each of them does."""

    node_name: str = "unknown"
    state: State | None = field(default=None, repr=False)
    model_uuid: Any = None
    strict_user_scope: bool = False
    friendly_errors: bool = False
    notes: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    """What the row's metadata has besides the state's, and over it."""

    @property
    def context(self) -> CallContext:
        """What metering reads of the caller's state."""
        context = parse_state(self.state, self.node_name)
        return replace(context, metadata={**context.metadata, **self.notes}) if self.notes else context

    def find_config(
        self, metering: Metering, function: str = "completion", *, names_model: bool = False
    ) -> ModelConfig:
        """The configuration of the function's own model type. A call that names its model may do with provider and key of an LLM's.

        Raises:
            ConfigNotFound: there is none.
        """
        model_type = OPERATIONS[function].model_type
        try:
            return self._resolved(metering, model_type)
        except ConfigNotFound:
            if model_type == LLM or not names_model:
                raise
            return self._resolved(metering, LLM)

    def begin(self, metering: Metering, config: ModelConfig, arguments: CallArguments | OperationArguments) -> Call:
        """The call with these arguments by this configuration; it has begun.

        Raises:
            ConfigError: the configuration cannot be used; nothing has begun.
        """
        return self.begin_chain(metering, ConfigChain.only(config), arguments)

    def begin_chain(
        self, metering: Metering, chain: ConfigChain, arguments: CallArguments | OperationArguments
    ) -> Call:
        """The same by the first configuration of a chain, and after it by the others.

        Raises:
            ConfigError: none of them can be used; nothing has begun.
        """
        requests = build_requests(chain, arguments, metering.request_policy)
        plan = fallback_plan(chain, requests[1:])
        return Call(metering.services, requests[0], self.context, self._note_attempt, plan)

    def find_chain(self, metering: Metering) -> ConfigChain:
        """The configuration of a completion, with those that its fallback policy names.

        Raises:
            ConfigNotFound: there is none.
        """
        return metering.resolve_chain(self.find_config(metering), (self.state or {}).get("user_id"))

    @property
    def litellm_arguments(self) -> dict[str, Any]:
        """What LiteLLM's own callbacks are to see of the caller."""
        return {"litellm_metadata": litellm_metadata(self.state), "traceparent": traceparent_of(self.state)}

    def _resolved(self, metering: Metering, model_type: str) -> ModelConfig:
        user_id = (self.state or {}).get("user_id")
        return metering.resolve_config(
            user_id, self.model_uuid, strict_user_scope=self.strict_user_scope, model_type=model_type
        )

    def _note_attempt(self, record: AttemptRecord) -> None:
        append_llm_call(self.state, record)
