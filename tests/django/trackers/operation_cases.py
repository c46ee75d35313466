"""One call of each of LiteLLM's functions, sync and async, by a configuration that leads to the stub provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import async_to_sync

from agentcore_metering.adapters.django import LLMTracker
from agentcore_metering.adapters.django.models import LLMConfig
from example.stub_provider import StubProvider
from tests.django.builders import make_stub_config
from tests.litellm_clients import close_clients

SOUND = ("hello.wav", b"x" * 2500)


@dataclass(frozen=True)
class OperationCase:
    """One function, with a text in it that holds the stub's directive."""

    function: str
    model: str
    operation: str
    given: Callable[[str], dict[str, Any]]
    provider: str = "openai"
    model_type: str = LLMConfig.MODEL_TYPE_LLM
    output_type: str | None = None
    can_stream: bool = False
    tokens: tuple[int, int] = (7, 5)
    """What the row counts when the directive says `in=7 out=5`."""
    options: dict[str, Any] = field(default_factory=dict)

    def make_config(self, stub: StubProvider, **config: Any) -> LLMConfig:
        return make_stub_config(
            stub, self.provider, self.model, model_type=self.model_type, config={"num_retries": 0, **config}
        )

    def call(self, text: str, **options: Any) -> Any:
        return getattr(LLMTracker, self.function)(**self.given(text), **self.options, **options)

    async def acall(self, text: str, **options: Any) -> Any:
        return await getattr(LLMTracker, f"a{self.function}")(**self.given(text), **self.options, **options)

    def try_all(self, text: str, run: Callable[[Callable[[], Any]], Any]) -> None:
        """The call in every way, whatever becomes of it."""
        for options in ({}, {"stream": True}) if self.can_stream else ({},):
            with suppress(Exception):
                answer = self.call(text, **options)
                list(answer if options else ())
            with suppress(Exception):
                run(lambda options=options: self._aread(text, options))

    async def _aread(self, text: str, options: dict[str, Any]) -> None:
        answer = await self.acall(text, **options)
        if options:
            async for _ in answer:
                pass


CASES = (
    OperationCase(
        "embedding",
        "text-embedding-3-small",
        "embeddings",
        lambda text: {"input": [text]},
        model_type=LLMConfig.MODEL_TYPE_EMBEDDING,
        tokens=(7, 0),
    ),
    OperationCase(
        "image_generation",
        "gpt-image-1",
        "generate_content",
        lambda text: {"prompt": text},
        model_type=LLMConfig.MODEL_TYPE_IMAGE_GENERATION,
        output_type="image",
    ),
    OperationCase(
        "text_completion",
        "gpt-3.5-turbo-instruct",
        "text_completion",
        lambda text: {"prompt": text},
        can_stream=True,
    ),
    OperationCase("responses", "gpt-4o-mini", "chat", lambda text: {"input": text}, can_stream=True),
    OperationCase(
        "rerank",
        "rerank-v3.5",
        "rerank",
        lambda text: {"query": text, "documents": ["a", "bbb"]},
        provider="cohere",
        tokens=(0, 0),
    ),
    OperationCase(
        "transcription",
        "gpt-4o-mini-transcribe",
        "generate_content",
        lambda text: {"file": SOUND, "prompt": text},
        output_type="text",
    ),
    OperationCase(
        "speech",
        "tts-1",
        "generate_content",
        lambda text: {"input": text},
        output_type="speech",
        tokens=(0, 0),
        options={"voice": "alloy"},
    ),
)

LOGGED = (
    *CASES,
    *(
        OperationCase(
            "call_and_track",
            model,
            "chat",
            lambda text: {"messages": [{"role": "user", "content": text}]},
            provider=provider,
            can_stream=True,
        )
        for provider, model in (
            ("openai", "gpt-4o-mini"),
            ("anthropic", "claude-haiku-4-5"),
            ("gemini", "gemini-2.5-flash"),
            ("deepseek", "deepseek-chat"),
        )
    ),
)
"""All of them and chat at providers that LiteLLM calls in ways of its own: what they log is looked at."""

BY_FUNCTION = {case.function: case for case in CASES}


def run(case: Callable[[], Any]) -> Any:
    """`await case()` as Django's handler would; LiteLLM's clients of that loop are closed."""

    async def main() -> Any:
        try:
            return await case()
        finally:
            await close_clients()
            # The transports end in the loop's next turn.
            await asyncio.sleep(0)

    return async_to_sync(main)()
