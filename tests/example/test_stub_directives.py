"""Directives are obeyed or refused, and survive the way through a message."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from example.stub_provider import Directive, DirectiveError, StubProvider, directive, parse_directive
from tests.example.stub_client import PROVIDERS, send

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stub() -> Iterator[StubProvider]:
    with StubProvider() as running:
        yield running


@given(st.text())
def test_directive_any_text_survives_the_round_trip(text: str) -> None:
    assert parse_directive(f"before {directive(text=text)} after").text == text


def test_directive_every_kind_of_value_survives_the_round_trip() -> None:
    written = directive(in_=12, cost=Decimal("0.0021"), delay_s=0.5, no_usage=True, finish="length", tool="get_city")

    parsed = parse_directive(written)

    expected = {"in_": 12, "cost": Decimal("0.0021"), "delay_s": 0.5, "no_usage": True}
    assert parsed == Directive(finish="length", tool="get_city", **expected)  # type: ignore[arg-type]  # mixed dict


def test_parse_directive_without_one_gives_the_default() -> None:
    assert parse_directive("plain [[words]]") == Directive()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[stub: outt=3]]", "unknown key 'outt'"),
        ("[[stub: out=3 out=4]]", "given twice"),
        ("[[stub: out=many]]", "out='many'"),
        ("[[stub: out=-1]]", "0 or more"),
        ("[[stub: chunks=0]]", "1 or more"),
        ("[[stub: status=200]]", "400 to 599"),
        ("[[stub: finish=soon]]", "one of stop"),
        ("[[stub: text=Hello there]]", "not key=value"),
        ("[[stub: out=3", "not closed"),
        ('[[stub: text="Hello]]', "not closed"),
        ("[[stub: in=1]] [[stub: out=2]]", "2 directives"),
        ("[[stub: fail_times=2]]", "add key="),
        ("[[stub: status=500 refuse=1]]", "exclude each other"),
        ("[[stub: retry_after=7]]", "belong to an error"),
        ("[[stub: keep_alive_s=1]]", "belongs to a silence"),
    ],
)
def test_parse_directive_that_makes_no_sense_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(DirectiveError, match=complaint):
        parse_directive(text)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("text", ["[[stub: outt=3]]", "[[stub: in=1 cached=2]]", "[[stub: out=1 reasoning=2]]"])
def test_directive_that_cannot_be_obeyed_is_answered_400(stub: StubProvider, provider: str, text: str) -> None:
    response = send(stub, provider, text)

    assert response.status == 400
    assert "stub directive: " in response.json["error"]["message"]


def test_directive_longer_break_than_answer_is_answered_400(stub: StubProvider) -> None:
    text = directive(break_after=5, text="Hello", chunks=4)

    assert "the answer has 4" in send(stub, "openai", text, stream=True).json["error"]["message"]
