"""Usage objects in a vendor's own words (Anthropic, Gemini, Bedrock, Cohere) -> the same in OpenAI's, which `usage` reads.

LiteLLM translates most of them before they get here; gateways, batch results and pass-through answers come as the vendor wrote them.
The vendors differ in what a total holds: Anthropic's and Bedrock's input leaves out what was cached, Gemini's output leaves out what was
thought.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agentcore_metering.core.payload import read, read_int

__all__ = ["in_openai_words"]


def in_openai_words(payload: Any) -> Any:
    """`payload` with OpenAI's field names and totals; itself where it has them already."""
    if read(payload, "prompt_tokens", "completion_tokens") is not None:
        return payload
    for is_it, translate in _DIALECTS:
        if is_it(payload):
            return translate(payload)
    return payload


def _is_gemini(payload: Any) -> bool:
    return read_int(payload, "promptTokenCount", "prompt_token_count") is not None


def _from_gemini(payload: Any) -> Mapping[str, Any]:
    """Source: GenerateContentResponse.UsageMetadata of the Gemini API."""
    prompt = read_int(payload, "promptTokenCount", "prompt_token_count") or 0
    tool_use = read_int(payload, "toolUsePromptTokenCount", "tool_use_prompt_token_count") or 0
    candidates = read_int(payload, "candidatesTokenCount", "candidates_token_count") or 0
    thoughts = read_int(payload, "thoughtsTokenCount", "thoughts_token_count") or 0
    total = read_int(payload, "totalTokenCount", "total_token_count")
    # Some models count their thoughts among the candidates already; the total tells.
    has_thoughts_inside = thoughts > 0 and total == prompt + tool_use + candidates
    said = _by_modality(read(payload, "promptTokensDetails", "prompt_tokens_details"))
    cached = _by_modality(read(payload, "cacheTokensDetails", "cache_tokens_details"))
    return {
        "prompt_tokens": prompt + tool_use,
        "completion_tokens": candidates if has_thoughts_inside else candidates + thoughts,
        "prompt_tokens_details": {
            **said,
            "cached_tokens": read_int(payload, "cachedContentTokenCount", "cached_content_token_count"),
            "cached_tokens_details": cached,
        },
        "completion_tokens_details": {
            **_by_modality(read(payload, "candidatesTokensDetails", "candidates_tokens_details")),
            "reasoning_tokens": thoughts,
        },
    }


def _by_modality(details: Any) -> dict[str, int]:
    """`[{"modality": "AUDIO", "tokenCount": 7}]` as `{"audio_tokens": 7}`."""
    found: dict[str, int] = {}
    for detail in details if isinstance(details, (list, tuple)) else ():
        name = f"{str(read(detail, 'modality') or '').rpartition('.')[2].lower()}_tokens"
        found[name] = found.get(name, 0) + (read_int(detail, "tokenCount", "token_count") or 0)
    return found


def _is_bedrock(payload: Any) -> bool:
    return read_int(payload, "inputTokens", "outputTokens") is not None


def _from_bedrock(payload: Any) -> Mapping[str, Any]:
    """Source: TokenUsage of the Bedrock Converse API."""
    cache_read = read_int(payload, "cacheReadInputTokens", "cacheReadInputTokenCount") or 0
    cache_write = read_int(payload, "cacheWriteInputTokens", "cacheWriteInputTokenCount") or 0
    hour = [detail for detail in read(payload, "cacheDetails") or () if read(detail, "ttl") == "1h"]
    return {
        "prompt_tokens": (read_int(payload, "inputTokens") or 0) + cache_read + cache_write,
        "completion_tokens": read_int(payload, "outputTokens") or 0,
        "prompt_tokens_details": {
            "cached_tokens": cache_read,
            "cache_creation_tokens": cache_write,
            "cache_creation_token_details": {"ephemeral_1h_input_tokens": _total(hour, "inputTokens")},
        },
    }


def _is_anthropic(payload: Any) -> bool:
    has_cache = read(payload, "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation") is not None
    return has_cache and read(payload, "input_tokens_details", "input_token_details") is None


def _from_anthropic(payload: Any) -> Mapping[str, Any]:
    """Source: Usage of the Messages API. With `iterations`, the totals leave out all but the last: their sum is what is billed."""
    iterations = read(payload, "iterations")
    parts = list(iterations) if isinstance(iterations, (list, tuple)) and iterations else [payload]
    cache_read = _total(parts, "cache_read_input_tokens")
    writes = [read(part, "cache_creation") for part in parts]
    cache_write = max(_total(parts, "cache_creation_input_tokens"), _total(writes, *_WRITES))
    return {
        "prompt_tokens": _total(parts, "input_tokens") + cache_read + cache_write,
        "completion_tokens": _total(parts, "output_tokens"),
        "prompt_tokens_details": {
            "cached_tokens": cache_read,
            "cache_creation_tokens": cache_write,
            "cache_creation_token_details": {"ephemeral_1h_input_tokens": _total(writes, "ephemeral_1h_input_tokens")},
        },
        "completion_tokens_details": read(payload, "output_tokens_details"),
    }


def _is_cohere(payload: Any) -> bool:
    return read(read(payload, "billed_units", "tokens"), "input_tokens", "output_tokens") is not None


def _from_cohere(payload: Any) -> Mapping[str, Any]:
    """Source: Usage of Cohere's Chat API; what it bills wins over what it counted."""
    billed = read(payload, "billed_units", "tokens")
    return {
        "prompt_tokens": read_int(billed, "input_tokens") or 0,
        "completion_tokens": read_int(billed, "output_tokens") or 0,
        "prompt_tokens_details": {"cached_tokens": read_int(payload, "cached_tokens")},
    }


def _total(parts: Iterable[Any], *names: str) -> int:
    return sum(read_int(part, name) or 0 for part in parts for name in names)


_WRITES = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


_DIALECTS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Mapping[str, Any]]], ...] = (
    (_is_gemini, _from_gemini),
    (_is_bedrock, _from_bedrock),
    (_is_anthropic, _from_anthropic),
    (_is_cohere, _from_cohere),
)
