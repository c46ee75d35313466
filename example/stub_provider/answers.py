"""One answer, free of any wire format: its text, deltas, tool call and token counts.

Owns the rules that make an answer reproducible (see `build_answer`). The provider modules only write it down.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final, Literal

from example.stub_provider.directives import DirectiveError, without_directives

if TYPE_CHECKING:
    from decimal import Decimal

    from example.stub_provider.directives import Directive, Finish

BROKEN_JSON: Final = '{"a": '
TOOL_ARGUMENTS: Final = '{"city":"Berlin"}'
_DEFAULT_CHUNKS: Final = 4


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a request asks. `texts` are all its texts in order, `last` the last one by the user."""

    model: str
    last: str
    texts: tuple[str, ...]
    has_tool_result: bool = False
    wants_json: bool = False
    forced_tool: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as OpenAI counts them: `cached` and `cache_write` are part of the input, `reasoning` of the output."""

    input_tokens: int
    output_tokens: int
    cached: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0

    def __post_init__(self) -> None:
        if self.cached + self.cache_write > self.input_tokens:
            raise DirectiveError(f"cached + cache_write exceed in={self.input_tokens}; in counts them too")
        if self.cache_write_1h > self.cache_write:
            raise DirectiveError(f"cache_write_1h exceeds cache_write={self.cache_write}, of which it is a part")
        if self.reasoning > self.output_tokens:
            raise DirectiveError(f"reasoning={self.reasoning} exceeds out={self.output_tokens}; out counts it too")

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Delta:
    """One content-bearing piece of a stream."""

    kind: Literal["think", "text", "tool"]
    piece: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the stub says. `number` counts the answers of a server; ids derive from it. `tool` is a tool's name."""

    number: int
    model: str
    text: str
    think: str
    tool: str | None
    arguments: str
    finish: Finish
    usage: Usage
    reports_usage: bool
    usage_early: bool
    cost: Decimal | None
    chunks: int
    seconds: Decimal | None = None

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """Reasoning first, then text, then the tool's arguments. `chunks` counts the pieces of the main part."""
        thoughts = [Delta("think", piece) for piece in split(self.think, 2)]
        texts = [Delta("text", piece) for piece in split(self.text, self.chunks)]
        arguments = [Delta("tool", piece) for piece in split(self.arguments, self.chunks)] if self.tool else []
        return (*thoughts, *texts, *arguments)


def build_answer(prompt: Prompt, directive: Directive, number: int, *, bad_json: bool) -> Answer:
    """The answer to `prompt`; the same one every time, but for `number`.

    A count that the directive does not give is a count of words (at least 1): of all texts of the request, directives
    cut out, for the input; of reasoning, text and tool call for the output; of the reasoning text for `reasoning`.
    Raises DirectiveError when the counts contradict each other.
    """
    tool = _tool(prompt, directive, bad_json=bad_json)
    text = _text(prompt, directive, tool, bad_json=bad_json)
    arguments = _arguments(prompt, directive) if tool else ""
    think = directive.think or ""
    spoken = _words(think, text, tool or "", arguments)
    return Answer(
        number=number,
        model=directive.model or prompt.model,
        text=text,
        think=think,
        tool=tool,
        arguments=arguments,
        finish=directive.finish,
        usage=_usage(prompt, directive, spoken),
        reports_usage=not directive.no_usage,
        usage_early=directive.usage_early,
        cost=directive.cost,
        chunks=directive.chunks or _DEFAULT_CHUNKS,
        seconds=directive.seconds,
    )


def split(text: str, pieces: int) -> list[str]:
    """`text` in `pieces` parts of nearly equal length, or one per character when it is shorter than that."""
    count = min(pieces, len(text))
    return [text[len(text) * index // count : len(text) * (index + 1) // count] for index in range(count)]


def _tool(prompt: Prompt, directive: Directive, *, bad_json: bool) -> str | None:
    # A tool that has been answered is not called again, or an agent loop under test would never end.
    if bad_json or directive.empty or prompt.has_tool_result:
        return None
    return directive.tool or prompt.forced_tool


def _text(prompt: Prompt, directive: Directive, tool: str | None, *, bad_json: bool) -> str:
    if directive.empty:
        return ""
    if bad_json:
        return BROKEN_JSON
    if tool:
        return (directive.text or "") if directive.tool else ""
    if directive.text is not None:
        return directive.text
    said = _echo(prompt, directive.chunks or 1)
    return json.dumps({"answer": said}) if prompt.wants_json else said


def _arguments(prompt: Prompt, directive: Directive) -> str:
    if directive.tool or not prompt.wants_json:
        return TOOL_ARGUMENTS
    return directive.text or json.dumps({"answer": _echo(prompt, 1)})


def _echo(prompt: Prompt, min_words: int) -> str:
    words = ["You", "said:", *without_directives(prompt.last).split()[:40]]
    return " ".join(islice(cycle(words), max(len(words), min_words)))


def _usage(prompt: Prompt, directive: Directive, spoken: int) -> Usage:
    heard = _words(*(without_directives(text) for text in prompt.texts))
    reasoning = directive.reasoning if directive.reasoning is not None else len((directive.think or "").split())
    out = directive.out if directive.out is not None else max(1, spoken, reasoning)
    return Usage(
        input_tokens=directive.in_ if directive.in_ is not None else max(1, heard),
        output_tokens=out,
        cached=directive.cached or 0,
        cache_write=directive.cache_write or 0,
        cache_write_1h=directive.cache_write_1h or 0,
        reasoning=min(reasoning, out) if directive.reasoning is None else reasoning,
    )


def _words(*texts: str) -> int:
    return sum(len(text.split()) for text in texts)
