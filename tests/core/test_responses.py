"""Whole answers are read from objects and dicts alike."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from agentcore_metering.core.errors import EmptyResponse
from agentcore_metering.core.responses import read_facts, read_reply, read_tool_calls, reported_cost
from agentcore_metering.core.types import ResponseFacts
from tests.fakes import make_response


def test_read_reply_keeps_the_text_as_it_came() -> None:
    reply = read_reply(make_response("  a\n"))

    assert (reply.text, reply.finish_reason) == ("  a\n", "stop")


def test_read_reply_reads_dicts() -> None:
    reply = read_reply({"choices": [{"message": {"content": "hi", "reasoning": "hm"}, "finish_reason": "length"}]})

    assert (reply.text, reply.reasoning, reply.finish_reason) == ("hi", "hm", "length")


@pytest.mark.parametrize("response", [None, {}, {"choices": []}, SimpleNamespace(choices=None), {"choices": [{}]}])
def test_read_reply_without_a_message_is_empty(response: Any) -> None:
    with pytest.raises(EmptyResponse):
        read_reply(response)


def test_read_facts_of_nothing_says_nothing() -> None:
    assert read_facts(None) == ResponseFacts()


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"cost": 0.0021}, Decimal("0.0021")),
        ({"cost": "0.5"}, Decimal("0.5")),
        ({"cost": 0}, Decimal(0)),
        ({}, None),
        ({"cost": None}, None),
        ({"cost": True}, None),
        ({"cost": {"total": 1}}, None),
        ({"cost": "free"}, None),
        ({"cost": float("nan")}, None),
        ({"cost": -1}, None),
    ],
)
def test_reported_cost(usage: dict[str, Any], expected: Decimal | None) -> None:
    assert reported_cost(usage) == expected


def test_read_tool_calls_drops_the_nameless_and_fills_in_arguments() -> None:
    calls = [{"id": "1", "function": {"name": "a"}}, {"id": "2", "function": {"name": ""}}, {"id": "3"}]

    assert read_tool_calls(calls) == ({"id": "1", "type": "function", "function": {"name": "a", "arguments": "{}"}},)
