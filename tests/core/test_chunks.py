"""Chunks of every shape; splitting an answer differently changes nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcore_metering.core.chunks import StreamAccumulator
from agentcore_metering.core.types import NO_USAGE
from tests.fakes import make_chunk, make_usage_payload


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text", "text"),
        (["a", {"text": "b"}], "ab"),
        ({"type": "text", "text": "a"}, "a"),
        (SimpleNamespace(content="a"), "a"),
        ({"value": "a"}, "a"),
        (5, ""),
    ],
)
def test_feed_reads_text_of_every_shape(content: Any, expected: str) -> None:
    accumulator = StreamAccumulator()

    accumulator.feed(make_chunk(content))

    assert "".join(accumulator.content) == expected


def test_feed_skips_what_has_no_text() -> None:
    accumulator = StreamAccumulator()

    for chunk in (make_chunk(""), make_chunk(None), SimpleNamespace(choices=[]), {}, {"choices": [{"delta": None}]}):
        assert accumulator.feed(chunk) == []


def test_feed_takes_a_message_for_a_delta() -> None:
    assert StreamAccumulator().feed({"choices": [{"message": {"content": "a"}}]}) == [("content", "a")]


@given(st.text(), st.data())
def test_chunking_an_answer_any_way_gives_the_same_text_and_usage(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    chunks = [make_chunk(piece) for piece in pieces]
    data.draw(st.sampled_from(chunks)).usage = make_usage_payload(10, 5)
    accumulator = StreamAccumulator()

    given_text = "".join(delta for chunk in chunks for _, delta in accumulator.feed(chunk))

    assert given_text == text
    assert accumulator.facts.usage.total_tokens == 15


def test_running_totals_end_with_the_largest() -> None:
    accumulator = StreamAccumulator()

    for output_tokens in (1, 5, 9):
        accumulator.feed(make_chunk("a", usage=make_usage_payload(10, output_tokens)))

    assert accumulator.facts.usage.output_tokens == 9


def test_trust_only_takes_the_providers_own_cost() -> None:
    accumulator = StreamAccumulator()
    accumulator.feed(make_chunk("a", usage=make_usage_payload(10, 5, cost=9.9)))

    accumulator.trust_only([make_chunk("a"), make_chunk(usage=make_usage_payload(10, 5, cost=0.5))])

    assert str(accumulator.facts.provider_cost) == "0.5"
    assert accumulator.facts.usage.total_tokens == 15


def test_trust_only_without_own_usage_has_none() -> None:
    accumulator = StreamAccumulator()
    accumulator.feed(make_chunk("a", usage=make_usage_payload(10, 5, cost=9.9)))

    accumulator.trust_only([make_chunk("a")])

    assert (accumulator.facts.usage, accumulator.facts.provider_cost) == (NO_USAGE, None)
