"""One call of each of LiteLLM's functions as a host makes it: with key and endpoint among its own arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import litellm

from agentcore_metering.adapters.django import DecisionTracker
from agentcore_metering.core.operations import OPERATIONS
from example.stub_provider import StubProvider
from tests.django.builders import KEY
from tests.django.trackers.operation_cases import CASES as OPERATION_CASES
from tests.django.trackers.operation_cases import OperationCase

USAGE = {"stream_options": {"include_usage": True}}
ONCE = {"max_retries": 0, "num_retries": 0}

CHAT = OperationCase(
    "completion",
    "gpt-4o-mini",
    "chat",
    lambda text: {"messages": [{"role": "user", "content": text}]},
    can_stream=True,
)


class DecisionCase(OperationCase):
    """Its tracker is a class of its own."""

    def call(self, text: str, **options: Any) -> Any:
        return DecisionTracker.call_and_track(**self.given(text), model_uuid=None, **options)

    async def acall(self, text: str, **options: Any) -> Any:
        return await DecisionTracker.acall_and_track(**self.given(text), model_uuid=None, **options)


DECISION = DecisionCase(
    "decisions",
    "gpt-6-luna",
    "decisions",
    lambda text: {
        "input": text,
        "questions": [{"type": "predicate", "name": "urgent", "instructions": "Is it urgent?"}],
    },
    output_type="json",
    model_type="decision",
)


@dataclass(frozen=True)
class DirectCase:
    """One function; see `OperationCase`."""

    of: OperationCase

    @property
    def function(self) -> str:
        return self.of.function

    @property
    def model(self) -> str:
        return f"{self.of.provider}/{self.of.model}"

    def arguments(self, stub: StubProvider, text: str, **options: Any) -> dict[str, Any]:
        wire = self.of.provider if self.of.provider == "cohere" else "openai"
        usage = USAGE if options.get("stream") and self.function != "responses" else {}
        return {
            "model": self.model,
            "api_key": KEY,
            "api_base": stub.api_base(wire),
            **self.of.given(text),
            **self.of.options,
            **ONCE,
            **usage,
            **options,
        }

    def call(self, stub: StubProvider, text: str, **options: Any) -> Any:
        return getattr(litellm, self.function)(**self.arguments(stub, text, **options))

    async def acall(self, stub: StubProvider, text: str, **options: Any) -> Any:
        return await getattr(litellm, f"a{self.function}")(**self.arguments(stub, text, **options))


CASES = tuple(DirectCase(case) for case in (CHAT, *OPERATION_CASES, DECISION) if hasattr(litellm, case.function))
STREAMS = tuple(case for case in CASES if case.of.can_stream)
BY_FUNCTION = {case.function: case for case in CASES}
assert set(BY_FUNCTION) == {function for function in OPERATIONS if hasattr(litellm, function)}
