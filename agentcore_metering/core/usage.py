"""Any provider's usage object -> `Usage`: one set of names, cached and reasoning tokens as subsets, impossible figures clamped.

Reads what LiteLLM hands over; what it costs is `pricing`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agentcore_metering.core.payload import read, read_int, to_json
from agentcore_metering.core.ports import CompletionBackend
from agentcore_metering.core.types import NO_USAGE, CallRequest, ResponseFacts, Usage, UsageSource

__all__ = ["extract_usage", "with_estimate"]

INPUT = ("prompt_tokens", "input_tokens")
OUTPUT = ("completion_tokens", "output_tokens")
INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")
CACHE_READ = ("cache_read_input_tokens", "cached_tokens", "prompt_cache_hit_tokens")
CACHE_READ_DETAIL = ("cached_tokens", "cache_read_tokens", "cache_read", "cache_read_input_tokens")
CACHE_WRITE = ("cache_creation_input_tokens", "cache_write_tokens")
CACHE_WRITE_DETAIL = ("cache_creation_tokens", "cache_write_tokens", "cache_creation_input_tokens")
REASONING = ("reasoning_tokens",)
REASONING_DETAIL = ("reasoning_tokens", "reasoning")


def extract_usage(payload: Any) -> Usage:
    """Usage as the provider counted it, or `NO_USAGE` when `payload` is None or holds no token counts.

    Input includes cached tokens and output includes reasoning, as OpenAI counts them and as LiteLLM hands over the others' figures.
    A negative count becomes 0 and a subset larger than its whole becomes the whole; both are named in `anomalies`.
    """
    if payload is None or (read_int(payload, *INPUT) is None and read_int(payload, *OUTPUT) is None):
        return NO_USAGE
    anomalies: list[str] = []
    input_tokens = _count(payload, INPUT, "input", anomalies)
    output_tokens = _count(payload, OUTPUT, "output", anomalies)
    cache_read = _subset(payload, CACHE_READ, INPUT_DETAILS, CACHE_READ_DETAIL)
    cache_write = _subset(payload, CACHE_WRITE, INPUT_DETAILS, CACHE_WRITE_DETAIL)
    reasoning = _subset(payload, REASONING, OUTPUT_DETAILS, REASONING_DETAIL)
    cache_read = _clamp(cache_read, input_tokens, "cache_read>input", anomalies)
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=cache_read,
        cache_write_tokens=_clamp(cache_write, input_tokens - cache_read, "cache_write>input", anomalies),
        reasoning_tokens=_clamp(reasoning, output_tokens, "reasoning>output", anomalies),
        source=UsageSource.PROVIDER,
        anomalies=tuple(anomalies),
        raw=_raw(payload),
    )


def with_estimate(facts: ResponseFacts, backend: CompletionBackend, request: CallRequest, text: str) -> ResponseFacts:
    """`facts`, its usage counted by us and marked so where the provider told none for a `text` that it did send.

    LiteLLM hands over a usage that was never sent as zeros, so zeros beside a text are no figure of the provider's.
    """
    usage = facts.usage
    if usage.source is not UsageSource.NONE and (usage.total_tokens or not text):
        return facts
    model = request.target.litellm_model
    input_tokens = backend.count_tokens(model, messages=request.arguments["messages"])
    output_tokens = backend.count_tokens(model, text=text)
    return replace(facts, usage=_estimated(input_tokens, output_tokens))


def _estimated(input_tokens: int | None, output_tokens: int | None) -> Usage:
    if input_tokens is None and output_tokens is None:
        return NO_USAGE
    return Usage(input_tokens=input_tokens or 0, output_tokens=output_tokens or 0, source=UsageSource.ESTIMATED)


def _raw(payload: Any) -> Any:
    plain = to_json(payload)
    return plain if isinstance(plain, dict) else to_json(vars(payload))


def _count(payload: Any, names: tuple[str, ...], label: str, anomalies: list[str]) -> int:
    value = read_int(payload, *names) or 0
    if value < 0:
        anomalies.append(f"{label}<0")
        return 0
    return value


def _subset(payload: Any, names: tuple[str, ...], details: tuple[str, ...], detail_names: tuple[str, ...]) -> int:
    """The larger of the top-level figure and the one in the details: adapters fill one of them and leave the other at 0."""
    top = read_int(payload, *names)
    detail = read_int(read(payload, *details), *detail_names)
    return max(top or 0, detail or 0)


def _clamp(value: int, whole: int, label: str, anomalies: list[str]) -> int:
    if value > whole:
        anomalies.append(label)
        return whole
    return value
