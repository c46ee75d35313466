"""Any provider's usage object -> `Usage`: one set of names, every subset within its whole, impossible figures clamped.

Reads what LiteLLM hands over, and by `native_usage` what vendors write themselves; what it costs is `pricing`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from agentcore_metering.core.native_usage import in_openai_words
from agentcore_metering.core.payload import count_numbers, first, read, read_int, texts_in, to_json
from agentcore_metering.core.ports import CompletionBackend
from agentcore_metering.core.types import NO_USAGE, CallRequest, ResponseFacts, TokenClass, Usage, UsageSource

__all__ = [
    "CLASS_PARENTS",
    "MAX_TOKENS",
    "count_input",
    "estimated_usage",
    "extract_usage",
    "find_usage",
    "tokens_by_class",
    "usage_units",
    "with_estimate",
]

MAX_TOKENS = 1_000_000_000
"""No call has more input or output than this; what claims to is an error, and input plus output still fit 32 bits."""

CLASS_PARENTS: Mapping[TokenClass, TokenClass] = {
    TokenClass.INPUT_AUDIO: TokenClass.INPUT,
    TokenClass.INPUT_IMAGE: TokenClass.INPUT,
    TokenClass.INPUT_VIDEO: TokenClass.INPUT,
    TokenClass.CACHE_READ: TokenClass.INPUT,
    TokenClass.CACHE_READ_AUDIO: TokenClass.CACHE_READ,
    TokenClass.CACHE_READ_IMAGE: TokenClass.CACHE_READ,
    TokenClass.CACHE_WRITE: TokenClass.INPUT,
    TokenClass.CACHE_WRITE_1H: TokenClass.CACHE_WRITE,
    TokenClass.OUTPUT_AUDIO: TokenClass.OUTPUT,
    TokenClass.OUTPUT_IMAGE: TokenClass.OUTPUT,
    TokenClass.OUTPUT_VIDEO: TokenClass.OUTPUT,
    TokenClass.REASONING: TokenClass.OUTPUT,
}
"""The class whose price holds where a class has none of its own."""

PROMPTS = ("instructions", "input", "prompt", "query", "documents")
"""Arguments that the model is given, where there are no messages."""

INPUT = ("prompt_tokens", "input_tokens")
OUTPUT = ("completion_tokens", "output_tokens")
INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")
CACHE_READ = ("cache_read_input_tokens", "cached_tokens", "prompt_cache_hit_tokens")
CACHE_READ_DETAIL = ("cached_tokens", "cache_read_tokens", "cache_read", "cache_read_input_tokens")
CACHE_WRITE = ("cache_creation_input_tokens", "cache_write_tokens")
CACHE_WRITE_DETAIL = ("cache_creation_tokens", "cache_write_tokens", "cache_creation_input_tokens")
CACHE_WRITE_TIMES = ("cache_creation", "cache_creation_token_details")
REASONING = ("reasoning_tokens",)
REASONING_DETAIL = ("reasoning_tokens", "reasoning", "thinking_tokens")
_MEDIA = (("audio", "audio_tokens"), ("image", "image_tokens"), ("video", "video_tokens"))


def find_usage(payload: Any) -> Any:
    """The usage object of an answer or a chunk, or None.

    Moonshot puts it into the choice, from where LiteLLM moves it to `provider_specific_fields` and leaves zeros at the top.
    """
    usage = read(payload, "usage")
    if usage is not None and (read_int(usage, *INPUT) or read_int(usage, *OUTPUT)):
        return usage
    choice = first(read(payload, "choices"))
    inner = read(choice, "usage") or read(read(choice, "provider_specific_fields"), "usage")
    return usage if inner is None else inner


def extract_usage(payload: Any) -> Usage:
    """Usage as the provider counted it, or `NO_USAGE` when `payload` is None or holds no token counts.

    Input includes cached tokens and output includes reasoning, as OpenAI counts them. A negative count becomes 0 and a part larger
    than its whole becomes the whole; both are named in `anomalies`. Audio or images that do not fit into the input that was not
    cached must have been cached, also where the provider does not say so.
    """
    if payload is None:
        return NO_USAGE
    raw = _raw(payload)
    # A model that was dumped is plain at any depth, and its dict is read in a fraction of the time.
    told = in_openai_words(raw if hasattr(payload, "model_dump") else payload)
    if read_int(told, *INPUT) is None and read_int(told, *OUTPUT) is None:
        return NO_USAGE
    anomalies: list[str] = []
    figures = {**_input_figures(told, anomalies), **_output_figures(told, anomalies)}
    return Usage(**figures, source=UsageSource.PROVIDER, anomalies=tuple(anomalies), raw=raw)


def tokens_by_class(usage: Usage) -> dict[TokenClass, int]:
    """The tokens of each class; disjoint, none negative, their sum is `usage.total_tokens`."""
    heard = usage.input_audio_tokens - usage.cache_read_audio_tokens
    seen = usage.input_image_tokens - usage.cache_read_image_tokens
    not_text = heard + seen + usage.input_video_tokens
    cached_media = usage.cache_read_audio_tokens + usage.cache_read_image_tokens
    said = usage.output_audio_tokens + usage.output_image_tokens + usage.output_video_tokens
    return {
        TokenClass.INPUT: usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens - not_text,
        TokenClass.INPUT_AUDIO: heard,
        TokenClass.INPUT_IMAGE: seen,
        TokenClass.INPUT_VIDEO: usage.input_video_tokens,
        TokenClass.CACHE_READ: usage.cache_read_tokens - cached_media,
        TokenClass.CACHE_READ_AUDIO: usage.cache_read_audio_tokens,
        TokenClass.CACHE_READ_IMAGE: usage.cache_read_image_tokens,
        TokenClass.CACHE_WRITE: usage.cache_write_tokens - usage.cache_write_1h_tokens,
        TokenClass.CACHE_WRITE_1H: usage.cache_write_1h_tokens,
        TokenClass.OUTPUT: usage.output_tokens - usage.reasoning_tokens - said,
        TokenClass.OUTPUT_AUDIO: usage.output_audio_tokens,
        TokenClass.OUTPUT_IMAGE: usage.output_image_tokens,
        TokenClass.OUTPUT_VIDEO: usage.output_video_tokens,
        TokenClass.REASONING: usage.reasoning_tokens,
    }


def usage_units(payload: Any) -> Mapping[str, Decimal]:
    """What a usage object tells of units other than tokens: `web_searches`, where there were any."""
    counts = (
        read_int(read(payload, "server_tool_use"), "web_search_requests"),
        read_int(read(payload, *INPUT_DETAILS), "web_search_requests"),
    )
    searches = max((count for count in counts if count is not None), default=0)
    return MappingProxyType({"web_searches": Decimal(searches)} if searches > 0 else {})


def with_estimate(
    facts: ResponseFacts, backend: CompletionBackend, request: CallRequest, text: str, *, is_cut: bool = False
) -> ResponseFacts:
    """`facts`, with what the provider did not tell counted by us and marked so.

    Of an answer that was `is_cut` the provider's input figures stay and the output is what came of it, by his count or by ours,
    whichever is more. LiteLLM hands over a usage that was never sent as zeros, so zeros beside a text are no figure of the provider's.
    """
    usage = facts.usage
    is_told = usage.source is not UsageSource.NONE and bool(usage.total_tokens or not text)
    if is_told and not is_cut:
        return facts
    model = request.target.litellm_model
    output_tokens = backend.count_tokens(model, text=text)
    if is_told and usage.input_tokens:
        output_tokens = max(usage.output_tokens, output_tokens or 0)
        return replace(facts, usage=replace(usage, output_tokens=output_tokens, source=UsageSource.ESTIMATED))
    return replace(facts, usage=estimated_usage(count_input(backend, request), output_tokens))


def count_input(backend: CompletionBackend, request: CallRequest) -> int | None:
    """Our count of the tokens that a request gives to the model, or None when it cannot be told."""
    model, arguments = request.target.litellm_model, request.arguments
    if arguments.get("messages") is not None:
        return backend.count_tokens(model, messages=arguments["messages"])
    contents = [arguments.get(name) for name in PROMPTS]
    counted = backend.count_tokens(model, text="\n".join(texts_in(contents)))
    # A prompt may come as numbers, which are its tokens already.
    return None if counted is None else counted + count_numbers(contents)


def estimated_usage(input_tokens: int | None, output_tokens: int | None) -> Usage:
    """A usage that was counted by us, or `NO_USAGE` where neither part of it could be."""
    if input_tokens is None and output_tokens is None:
        return NO_USAGE
    return Usage(input_tokens=input_tokens or 0, output_tokens=output_tokens or 0, source=UsageSource.ESTIMATED)


def _raw(payload: Any) -> Any:
    plain = to_json(payload)
    return plain if isinstance(plain, dict) else to_json(vars(payload))


def _input_figures(told: Any, anomalies: list[str]) -> dict[str, int]:
    details = read(told, *INPUT_DETAILS)
    cached = read(details, "cached_tokens_details")
    times = read(told, *CACHE_WRITE_TIMES) or read(details, *CACHE_WRITE_TIMES)
    whole = _whole("input", read_int(told, *INPUT), anomalies)
    cache_read = _part("cache_read", _either(told, CACHE_READ, details, CACHE_READ_DETAIL), whole, "input", anomalies)
    hour = max(read_int(times, "ephemeral_1h_input_tokens") or 0, 0)
    both_times = hour + max(read_int(times, "ephemeral_5m_input_tokens") or 0, 0)
    write = max(_either(told, CACHE_WRITE, details, CACHE_WRITE_DETAIL), both_times)
    write = _part("cache_write", write, whole - cache_read, "input", anomalies)
    figures = {
        "input_tokens": whole,
        "cache_read_tokens": cache_read,
        "cache_write_tokens": write,
        "cache_write_1h_tokens": _part("cache_write_1h", hour, write, "cache_write", anomalies),
    }
    return figures | _input_media(details, cached, cache_read, whole - cache_read - write, anomalies)


def _input_media(details: Any, cached: Any, cache_read: int, not_cached: int, anomalies: list[str]) -> dict[str, int]:
    """Audio, images and video of the input; each first fills what was not cached, then what was."""
    counts = {kind: read_int(details, name) or 0 for kind, name in _MEDIA}
    if not any(counts.values()):
        return {}
    figures: dict[str, int] = {}
    for kind, name in _MEDIA:
        label = f"input_{kind}"
        count = _part(label, counts[kind], not_cached + cache_read, "input", anomalies)
        told_cached = min(max(read_int(cached, name) or 0, 0), count, cache_read)
        # Of video no cached part is kept: no price tells it from text.
        from_cache = max(told_cached, count - not_cached)
        figures[f"{label}_tokens"] = count if kind != "video" else count - from_cache
        if kind != "video":
            figures[f"cache_read_{kind}_tokens"] = from_cache
            cache_read -= from_cache
        not_cached -= count - from_cache
    return figures


def _output_figures(told: Any, anomalies: list[str]) -> dict[str, int]:
    details = read(told, *OUTPUT_DETAILS)
    whole = _whole("output", read_int(told, *OUTPUT), anomalies)
    reasoning = _either(told, REASONING, details, REASONING_DETAIL)
    figures = {"output_tokens": whole, "reasoning_tokens": _part("reasoning", reasoning, whole, "output", anomalies)}
    counts = {kind: read_int(details, name) or 0 for kind, name in _MEDIA}
    if not any(counts.values()):
        return figures
    left = whole - figures["reasoning_tokens"]
    for kind, count in counts.items():
        label = f"output_{kind}"
        figures[f"{label}_tokens"] = _part(label, count, left, "output", anomalies)
        left -= figures[f"{label}_tokens"]
    return figures


def _whole(label: str, told: int | None, anomalies: list[str]) -> int:
    return _part(label, told or 0, MAX_TOKENS, str(MAX_TOKENS), anomalies)


def _part(label: str, value: int, limit: int, whole: str, anomalies: list[str]) -> int:
    """`value` between 0 and `limit`; what was wrong with it is noted."""
    if value < 0:
        anomalies.append(f"{label}<0")
        return 0
    if value > limit:
        anomalies.append(f"{label}>{whole}")
        return limit
    return value


def _either(told: Any, names: tuple[str, ...], details: Any, detail_names: tuple[str, ...]) -> int:
    """The larger of the top-level figure and the one in the details: adapters fill one of them and leave the other at 0."""
    figures = (read_int(told, *names), read_int(details, *detail_names))
    return max((figure for figure in figures if figure is not None), default=0)
