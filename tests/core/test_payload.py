"""Payloads as JSON values."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from types import SimpleNamespace

from agentcore_metering.core.payload import first, read, read_int, to_json


def test_read_takes_the_first_that_is_there() -> None:
    assert read({"a": None, "b": 2}, "a", "b") == 2
    assert read(SimpleNamespace(a=0), "a", "b") == 0
    assert read(None, "a") is None


def test_read_int_ignores_what_is_no_count() -> None:
    assert read_int({"a": True, "b": "7", "c": 7.0}, "a", "b", "c") == 7
    assert read_int({"a": float("inf")}, "a") is None


def test_first_of_what_is_no_list_is_none() -> None:
    assert [first(value) for value in ([1, 2], (), None, "text", {"a": 1})] == [1, None, None, None, None]


def test_to_json_always_gives_json() -> None:
    class Model:
        def model_dump(self) -> dict[str, object]:
            return {"tokens": 3, "details": None}

    odd = {"n": float("nan"), "d": Decimal("1.50"), 5: date(2026, 1, 2), "m": Model(), "l": ({1},), "gone": None}

    plain = to_json(odd)

    assert plain == {"n": "nan", "d": "1.50", "5": "2026-01-02", "m": {"tokens": 3}, "l": [[1]]}
    json.dumps(plain, allow_nan=False)
