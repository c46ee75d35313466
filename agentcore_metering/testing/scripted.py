"""A provider in the test's own hands: what LiteLLM would be asked, and what it would answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

__all__ = ["FakeLLM"]

DEFAULT_TEXT = "A fake answer."
MODEL = "gpt-4o-mini"


class FakeLLM:
    """Stands where LiteLLM stands: gets the arguments of each request, and gives the scripted answers one after the other.

    Without a script, or when it is over, every chat completion is answered with `DEFAULT_TEXT`.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        """What LiteLLM would have been called with, one entry for each attempt."""
        self._script: list[_Answer | BaseException | _Raw] = []

    def answer(  # noqa: PLR0913 - the parts of an answer, all optional
        self,
        text: str = DEFAULT_TEXT,
        *,
        input_tokens: int = 10,
        output_tokens: int = 5,
        cached_tokens: int = 0,
        reasoning: str | None = None,
        tool_calls: Sequence[tuple[str, str]] = (),
        finish_reason: str = "stop",
        cost: float | None = None,
        breaks_with: BaseException | None = None,
    ) -> FakeLLM:
        """Have one request answered like this; the fake itself, so that calls can be chained.

        Args:
            text: of a stream, each word is a chunk.
            input_tokens, output_tokens, cached_tokens: the usage that the provider tells.
            reasoning: comes before the text.
            tool_calls: names of functions and their arguments as JSON text.
            finish_reason: as providers spell it.
            cost: what the provider says it charges, in US dollars; None: it does not say, and the price map decides.
            breaks_with: an exception that a stream raises after the text.
        """
        usage = _usage(input_tokens, output_tokens, cached_tokens, cost)
        calls = tuple(_tool_call(index, *call) for index, call in enumerate(tool_calls))
        self._script.append(_Answer(text, reasoning, calls, finish_reason, usage, breaks_with))
        return self

    def give(self, response: Any) -> FakeLLM:
        """Have one request answered with this very object: for what is no chat completion, such as an embedding."""
        self._script.append(_Raw(response))
        return self

    def fail(self, error: BaseException, times: int = 1) -> FakeLLM:
        """Have so many requests fail. Retries follow as they would, without waiting."""
        self._script += [error] * times
        return self

    def call(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """As LiteLLM would; for the meter."""
        self.requests.append(dict(arguments))
        step = self._script.pop(0) if self._script else None
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, _Raw):
            return step.response
        if function != "completion":
            raise AssertionError(f"{function}() has no scripted answer: give one with fake_llm.give(...)")
        answer = step or _Answer(DEFAULT_TEXT, None, (), "stop", _usage(10, 5), None)
        model = str(arguments.get("model", MODEL)).rpartition("/")[2]
        return _Stream(answer, model) if arguments.get("stream") else answer.response(model)

    async def acall(self, function: str, arguments: Mapping[str, Any]) -> Any:
        """The same on an event loop."""
        return self.call(function, arguments)

    def close(self, stream: Any) -> None:
        """Nothing is open."""

    async def aclose(self, stream: Any) -> None:
        """Nothing is open."""

    def cut(self, stream: Any) -> None:
        """Nothing is open."""

    def provider_chunks(self, stream: Any) -> Sequence[Any] | None:
        """What the stream has sent."""
        return stream.sent if isinstance(stream, _Stream) else None

    def provider_model(self, stream: Any) -> str | None:
        """The chunks say it."""
        return None

    def count_tokens(self, model: str, *, text: str | None = None, messages: Any = None) -> int | None:
        """One token a word."""
        content = text if messages is None else " ".join(str(message.get("content")) for message in messages)
        return len((content or "").split())


@dataclass(frozen=True, slots=True)
class _Raw:
    response: Any


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the fake says once; as objects of the shape that LiteLLM's have."""

    text: str
    reasoning: str | None
    tool_calls: tuple[Any, ...]
    finish_reason: str
    usage: Any
    breaks_with: BaseException | None

    def response(self, model: str) -> Any:
        message = SimpleNamespace(
            role="assistant",
            content=self.text,
            reasoning_content=self.reasoning,
            tool_calls=list(self.tool_calls) or None,
        )
        choice = SimpleNamespace(index=0, message=message, finish_reason=self.finish_reason)
        return SimpleNamespace(id="fake-answer", model=model, choices=[choice], usage=self.usage)

    def chunks(self, model: str) -> Iterator[Any]:
        if self.reasoning:
            yield _chunk(model, reasoning_content=self.reasoning)
        for word in re.findall(r"\s*\S+|\s+$", self.text):
            yield _chunk(model, content=word)
        if self.tool_calls:
            yield _chunk(model, tool_calls=list(self.tool_calls))
        if self.breaks_with is not None:
            raise self.breaks_with
        yield _chunk(model, self.finish_reason)
        yield SimpleNamespace(id="fake-answer", model=model, choices=[], usage=self.usage)


class _Stream:
    """A stream for threads and for event loops."""

    def __init__(self, answer: _Answer, model: str) -> None:
        self.sent: list[Any] = []
        self._chunks = answer.chunks(model)

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._chunks:
            self.sent.append(chunk)
            yield chunk

    async def __aiter__(self) -> AsyncIterator[Any]:
        for chunk in self:
            yield chunk


def _usage(input_tokens: int, output_tokens: int, cached_tokens: int = 0, cost: float | None = None) -> Any:
    return SimpleNamespace(
        prompt_tokens=input_tokens,
        completion_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
        prompt_tokens_details=SimpleNamespace(cached_tokens=cached_tokens),
        cost=cost,
    )


def _tool_call(index: int, name: str, arguments: str) -> Any:
    function = SimpleNamespace(name=name, arguments=arguments)
    return SimpleNamespace(index=index, id=f"fake-call-{index}", type="function", function=function)


def _chunk(model: str, finish_reason: str | None = None, **delta: Any) -> Any:
    choice = SimpleNamespace(index=0, delta=SimpleNamespace(**delta), finish_reason=finish_reason)
    return SimpleNamespace(id="fake-answer", model=model, choices=[choice], usage=None)
