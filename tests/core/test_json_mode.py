"""Only JSON objects pass."""

from __future__ import annotations

import json

import pytest

from agentcore_metering.core.errors import InvalidJSON
from agentcore_metering.core.json_mode import repair_json_object


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ('  {"a": 1}\n', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('```\n{"a": 1}\n```', {"a": 1}),
        ('```json\n{"a": 1}', {"a": 1}),
        ('{"a": 1,}', {"a": 1}),
        ("{'a': 1}", {"a": 1}),
        ('{"a": "it ends', {"a": "it ends"}),
        ('{"名": "值"}', {"名": "值"}),
    ],
)
def test_repair_json_object(text: str, expected: object) -> None:
    assert json.loads(repair_json_object(text)) == expected


def test_repair_json_object_leaves_valid_text_alone() -> None:
    text = '{"b":2,  "a":1}'

    assert repair_json_object(text) == text


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_repair_json_object_refuses_what_is_nested_without_end(opening: str) -> None:
    with pytest.raises(InvalidJSON):
        repair_json_object(opening * 100_000)


@pytest.mark.parametrize("text", ["", ":", "hello", "[1, 2]", "5", "null", '"text"'])
def test_repair_json_object_refuses_what_is_no_object(text: str) -> None:
    with pytest.raises(InvalidJSON):
        repair_json_object(text)
