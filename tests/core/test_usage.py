"""Usage objects of every provider become one set of figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcore_metering.core.types import NO_USAGE, ResponseFacts, Usage, UsageSource
from agentcore_metering.core.usage import extract_usage, find_usage, with_estimate
from tests.fakes import ScriptedBackend, make_request

OPENAI = {
    "prompt_tokens": 100,
    "completion_tokens": 40,
    "total_tokens": 140,
    "prompt_tokens_details": {"cached_tokens": 30},
    "completion_tokens_details": {"reasoning_tokens": 25},
}


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(OPENAI, (100, 40, 30, 0, 25), id="openai"),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 4,
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 20,
            },
            (100, 4, 60, 20, 0),
            id="anthropic-by-litellm",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 8}, (9, 1, 8, 0, 0), id="deepseek"
        ),
        pytest.param({"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 8}, (9, 1, 8, 0, 0), id="moonshot"),
        pytest.param(
            {
                "input_tokens": 9,
                "output_tokens": 5,
                "input_tokens_details": {"cached_tokens": 2},
                "output_tokens_details": {"reasoning_tokens": 3},
            },
            (9, 5, 2, 0, 3),
            id="responses-api",
        ),
        pytest.param({"prompt_tokens": 7, "completion_tokens": 0}, (7, 0, 0, 0, 0), id="no-output"),
        pytest.param(
            {
                "prompt_tokens": 7,
                "completion_tokens": 2,
                "cached_tokens": 0,
                "prompt_tokens_details": {"cached_tokens": 5},
            },
            (7, 2, 5, 0, 0),
            id="zero-beside-the-details",
        ),
    ],
)
def test_extract_usage_reads_every_shape(payload: dict[str, Any], expected: tuple[int, ...]) -> None:
    usage = extract_usage(payload)

    assert _figures(usage) == expected
    assert usage.source is UsageSource.PROVIDER
    assert usage.anomalies == ()


def test_extract_usage_reads_objects_like_dicts() -> None:
    details = SimpleNamespace(cached_tokens=30)

    usage = extract_usage(SimpleNamespace(prompt_tokens=100, completion_tokens=40, prompt_tokens_details=details))

    assert _figures(usage) == (100, 40, 30, 0, 0)
    assert usage.raw is not None
    assert usage.raw["prompt_tokens"] == 100


@pytest.mark.parametrize(
    "payload", [None, {}, {"total_tokens": None}, {"prompt_tokens": "many"}, {"prompt_tokens": float("nan")}]
)
def test_extract_usage_without_counts_is_no_usage(payload: Any) -> None:
    assert extract_usage(payload) is NO_USAGE


@pytest.mark.parametrize(
    ("payload", "expected", "anomalies"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 1, "cached_tokens": 99}, (10, 1, 10, 0, 0), ("cache_read>input",)),
        ({"prompt_tokens": -3, "completion_tokens": 1}, (0, 1, 0, 0, 0), ("input<0",)),
        ({"prompt_tokens": 1, "completion_tokens": 2, "reasoning_tokens": 5}, (1, 2, 0, 0, 2), ("reasoning>output",)),
        # 10 input, 8 read from the cache: at most 2 can have been written to it
        (
            {"prompt_tokens": 10, "completion_tokens": 0, "cached_tokens": 8, "cache_creation_input_tokens": 5},
            (10, 0, 8, 2, 0),
            ("cache_write>input",),
        ),
    ],
)
def test_extract_usage_clamps_the_impossible_and_names_it(
    payload: dict[str, Any], expected: tuple[int, ...], anomalies: tuple[str, ...]
) -> None:
    usage = extract_usage(payload)

    assert _figures(usage) == expected
    assert usage.anomalies == anomalies


@given(
    st.dictionaries(
        st.sampled_from(
            ["prompt_tokens", "completion_tokens", "cached_tokens", "cache_creation_input_tokens", "reasoning_tokens"]
        ),
        st.integers(-(10**12), 10**12),
    )
)
def test_extract_usage_keeps_subsets_within_their_whole(payload: dict[str, int]) -> None:
    usage = extract_usage(payload)

    assert min(_figures(usage)) >= 0
    assert usage.cache_read_tokens + usage.cache_write_tokens <= usage.input_tokens
    assert usage.reasoning_tokens <= usage.output_tokens
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


@pytest.mark.parametrize(
    "told", [pytest.param(NO_USAGE, id="nothing"), pytest.param(Usage(source=UsageSource.PROVIDER), id="zeros")]
)
def test_with_estimate_counts_what_the_provider_did_not_tell(told: Usage) -> None:
    facts = with_estimate(ResponseFacts(usage=told), ScriptedBackend(), make_request(), "one two")

    # "say hello please" in, one token a word
    assert facts.usage == Usage(input_tokens=3, output_tokens=2, source=UsageSource.ESTIMATED)


def test_with_estimate_leaves_the_providers_figures_alone() -> None:
    facts = ResponseFacts(usage=Usage(input_tokens=1, source=UsageSource.PROVIDER))

    assert with_estimate(facts, ScriptedBackend(), make_request(), "one two") is facts


def test_with_estimate_where_nothing_can_be_counted_is_no_usage() -> None:
    class Speechless(ScriptedBackend):
        def count_tokens(self, model: str, *, text: str | None = None, messages: Any = None) -> int | None:
            return None

    assert with_estimate(ResponseFacts(), Speechless(), make_request(), "one two").usage is NO_USAGE


def _figures(usage: Usage) -> tuple[int, ...]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )


ANTHROPIC_START = {
    "input_tokens": 25,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 15,
    "output_tokens": 1,
}


def test_with_estimate_of_a_cut_answer_keeps_what_the_provider_told() -> None:
    told = extract_usage(ANTHROPIC_START)

    facts = with_estimate(ResponseFacts(usage=told), ScriptedBackend(), make_request(), "one two three", is_cut=True)

    assert _figures(facts.usage) == (100, 3, 60, 15, 0)
    assert facts.usage.source is UsageSource.ESTIMATED
    assert facts.usage.raw == told.raw


def test_with_estimate_of_a_cut_answer_without_input_figures_counts_the_input() -> None:
    told = extract_usage({"prompt_tokens": 0, "completion_tokens": 2})

    facts = with_estimate(ResponseFacts(usage=told), ScriptedBackend(), make_request(), "one two three", is_cut=True)

    assert facts.usage == Usage(input_tokens=3, output_tokens=3, source=UsageSource.ESTIMATED)


def test_reasoning_that_somebody_estimated_does_not_change_the_total() -> None:
    without = extract_usage({"prompt_tokens": 10, "completion_tokens": 20})
    estimated = extract_usage(
        {"prompt_tokens": 10, "completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 17}}
    )

    assert estimated.total_tokens == without.total_tokens == 30


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"usage": {"prompt_tokens": 1}}, 1),
        ({"usage": {"prompt_tokens": 0}, "choices": [{"usage": {"prompt_tokens": 2}}]}, 2),
        ({"choices": [{"provider_specific_fields": {"usage": {"prompt_tokens": 3}}}]}, 3),
        ({"usage": {"prompt_tokens": 0}}, 0),
        ({"choices": []}, None),
    ],
)
def test_find_usage_looks_where_providers_put_it(answer: dict[str, Any], expected: int | None) -> None:
    usage = find_usage(answer)

    assert (None if usage is None else usage["prompt_tokens"]) == expected
