"""What can be asked of a model: one row for each of LiteLLM's functions, and how its answers are read.

Owns the table `OPERATIONS`. How a call is sent is `gateway`'s, how a stream is read `chunks`' and `response_events`', what a token or
another unit costs `pricing`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from agentcore_metering.core.decision_providers import DECISIONS
from agentcore_metering.core.errors import EmptyResponse
from agentcore_metering.core.payload import first, read
from agentcore_metering.core.ports import CompletionBackend
from agentcore_metering.core.responses import Reply, read_facts, read_reply, read_tool_calls
from agentcore_metering.core.types import EMPTY, NO_USAGE, CallRequest, Operation, ResponseFacts, Usage, UsageSource
from agentcore_metering.core.usage import count_input, estimated_usage, extract_usage, with_estimate

__all__ = ["OPERATIONS", "OperationSpec", "completed_facts", "read_response_object", "response_finish_reason"]

Arguments = Mapping[str, Any]

SAMPLING = {"max_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p"}


class Estimate(Enum):
    """Which tokens we count where the provider tells none: those of functions that are billed by the token, and no others."""

    NOTHING = "nothing"
    INPUT = "input"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """One of LiteLLM's functions; its async twin has the same name with an `a` before it."""

    function: str
    operation: Operation
    """`gen_ai.operation.name`."""
    required: tuple[str, ...]
    """The arguments without which nothing is sent."""
    reply: Callable[[Any], Reply]
    """The answer's text and tool calls; raises `EmptyResponse` where there is no answer at all."""
    units: Callable[[Any, Arguments], Mapping[str, Decimal]] = lambda _answer, _arguments: EMPTY
    """What is billed and is no token; see `ResponseFacts.units`."""
    output_type: str | None = None
    """`gen_ai.output.type`, where the function makes one thing only."""
    model_type: str = "llm"
    """The configurations that it takes first."""
    sampling: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """A configuration's sampling keys -> the function's names for them; what is not here is not sent."""
    estimate: Estimate = Estimate.NOTHING
    litellm_metadata: str = "metadata"
    """Under which name LiteLLM's callbacks look for the caller's metadata, which is not for the provider."""

    finish_reason: Callable[[Any], str | None] = lambda _answer: None
    usage: Callable[[Any], Usage] = lambda _answer: NO_USAGE
    """Both where the answer does not have them in the places where chat completions do."""

    def facts(self, answer: Any, arguments: Arguments) -> ResponseFacts:
        """What the answer says of itself, its units among it."""
        facts = read_facts(answer)
        usage = facts.usage if facts.usage.source is not UsageSource.NONE else self.usage(answer)
        finish_reason = facts.finish_reason or self.finish_reason(answer)
        units = self.units(answer, arguments)
        if usage is facts.usage and finish_reason == facts.finish_reason and not units:
            return facts
        return replace(facts, usage=usage, units={**facts.units, **units}, finish_reason=finish_reason)


def completed_facts(
    facts: ResponseFacts, backend: CompletionBackend, request: CallRequest, said: str, *, is_cut: bool = False
) -> ResponseFacts:
    """`facts` with tokens counted by us, and marked so, where the provider told none and the function is billed by them.

    LiteLLM hands over a usage that was never sent as zeros: for every function but chat that is no usage.
    """
    estimate = OPERATIONS[request.function].estimate
    if estimate is Estimate.BOTH:
        return with_estimate(facts, backend, request, said, is_cut=is_cut)
    if facts.usage.source is not UsageSource.NONE and facts.usage.total_tokens:
        return facts
    usage = NO_USAGE if estimate is Estimate.NOTHING else estimated_usage(count_input(backend, request), None)
    return replace(facts, usage=usage)


def read_response_object(response: Any) -> Reply:
    """The reply in an answer of the Responses API.

    Raises:
        EmptyResponse: there is none, or the provider says that it failed.
    """
    if read(_answer(response), "status") == "failed":
        raise EmptyResponse(f"LLM answered that the response failed: {read(response, 'error')!r}")
    items = _items(response)
    calls = [_as_chat_call(item) for item in items if read(item, "type") == "function_call"]
    return Reply(
        text="".join(_texts(items, "message", "content", "text")),
        tool_calls=read_tool_calls(calls),
        reasoning="".join(_texts(items, "reasoning", "summary", "text")) or None,
        finish_reason=response_finish_reason(response, has_calls=bool(calls)),
        model=read(response, "model"),
    )


def _answer(response: Any) -> Any:
    if response is None:
        raise EmptyResponse("LLM service returned None response")
    return response


def _items(response: Any) -> Sequence[Any]:
    items = read(response, "output")
    return items if isinstance(items, (list, tuple)) else ()


def _reason_in_response(response: Any) -> str | None:
    has_calls = any(read(item, "type") == "function_call" for item in _items(response))
    return response_finish_reason(response, has_calls=has_calls)


def _texts(items: Any, kind: str, part_name: str, text_name: str) -> list[str]:
    parts = [part for item in items if read(item, "type") == kind for part in read(item, part_name) or ()]
    return [text for part in parts if isinstance(text := read(part, text_name), str)]


def _as_chat_call(item: Any) -> Mapping[str, Any]:
    function = {"name": read(item, "name"), "arguments": read(item, "arguments")}
    return {"id": read(item, "call_id", "id"), "function": function}


def response_finish_reason(response: Any, *, has_calls: bool) -> str | None:
    """The status of a response in the words of chat completions, which rows and spans of all calls share; None until it has ended."""
    status = read(response, "status")
    if status == "incomplete":
        reason = read(read(response, "incomplete_details"), "reason")
        return "length" if reason == "max_output_tokens" else reason
    if status != "completed":
        return None
    return "tool_calls" if has_calls else "stop"


def _read_completed_text(response: Any) -> Reply:
    choice = first(read(_answer(response), "choices"))
    text = read(choice, "text")
    return Reply(text if isinstance(text, str) else "", finish_reason=read(choice, "finish_reason"))


def _read_transcript(response: Any) -> Reply:
    text = read(_answer(response), "text")
    return Reply(text if isinstance(text, str) else "")


def _read_decisions(response: Any) -> Reply:
    """The answers as the text of a JSON object, which is what a chat model gives in their place."""
    answers = read(_answer(response), "answers")
    text = "" if answers is None else json.dumps({"answers": answers}, default=_as_plain)
    return Reply(text, model=read(response, "model"))


def _as_plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else dict(value)


def _read_wordless(response: Any) -> Reply:
    _answer(response)
    return Reply("")


def _images(response: Any, _arguments: Arguments) -> Mapping[str, Decimal]:
    return _unit("images", len(read(response, "data") or ()))


def _seconds(response: Any, _arguments: Arguments) -> Mapping[str, Decimal]:
    return _unit("seconds", read(read(response, "usage"), "seconds") or read(response, "duration"))


def _characters(_response: Any, arguments: Arguments) -> Mapping[str, Decimal]:
    return _unit("characters", len(str(arguments.get("input", ""))))


def _queries(response: Any, _arguments: Arguments) -> Mapping[str, Decimal]:
    return _unit("queries", read(read(read(response, "meta"), "billed_units"), "search_units"))


def _ranking_usage(response: Any) -> Usage:
    """The tokens that some rerankers count, told in the words of Cohere."""
    meta = read(response, "meta")
    return extract_usage(read(meta, "tokens") or read(meta, "billed_units"))


def _unit(name: str, count: Any) -> Mapping[str, Decimal]:
    """`{name: count}`, or nothing where `count` is no number above 0."""
    try:
        number = Decimal(str(count))
    except InvalidOperation:
        return EMPTY
    return {name: number} if number.is_finite() and number > 0 else EMPTY


_ROWS = (
    OperationSpec("completion", Operation.CHAT, ("messages",), read_reply, sampling=SAMPLING, estimate=Estimate.BOTH),
    OperationSpec(
        "text_completion",
        Operation.TEXT_COMPLETION,
        ("prompt",),
        _read_completed_text,
        sampling=SAMPLING,
        estimate=Estimate.BOTH,
    ),
    OperationSpec(
        "responses",
        Operation.CHAT,
        ("input",),
        read_response_object,
        sampling={**SAMPLING, "max_tokens": "max_output_tokens"},
        estimate=Estimate.BOTH,
        finish_reason=_reason_in_response,
        # OpenAI's Responses API has a `metadata` of its own, which is stored with the answer.
        litellm_metadata="litellm_metadata",
    ),
    OperationSpec(
        "embedding",
        Operation.EMBEDDINGS,
        ("input",),
        _read_wordless,
        model_type="embedding",
        estimate=Estimate.INPUT,
    ),
    OperationSpec(
        "image_generation",
        Operation.GENERATE_CONTENT,
        ("prompt",),
        _read_wordless,
        units=_images,
        output_type="image",
        model_type="image_generation",
    ),
    OperationSpec(
        "rerank", Operation.RERANK, ("query", "documents"), _read_wordless, units=_queries, usage=_ranking_usage
    ),
    OperationSpec(
        "transcription", Operation.GENERATE_CONTENT, ("file",), _read_transcript, units=_seconds, output_type="text"
    ),
    OperationSpec(
        "speech", Operation.GENERATE_CONTENT, ("input",), _read_wordless, units=_characters, output_type="speech"
    ),
    OperationSpec(
        DECISIONS,
        Operation.DECISIONS,
        ("input", "questions"),
        _read_decisions,
        output_type="json",
        model_type="decision",
    ),
)

OPERATIONS: Mapping[str, OperationSpec] = {row.function: row for row in _ROWS}
"""By LiteLLM's function name."""
