"""What the core's own types do not show: fields that later ones may have."""

from __future__ import annotations

from dataclasses import dataclass

from agentcore_metering.delivery.packing import pack, unpack


@dataclass(frozen=True)
class Later:
    required: int | None
    defaulted: str | None = "x"
    optional: float | None = None


def test_none_where_none_is_no_default_survives() -> None:
    assert pack(Later(None, None)) == {"required": None, "defaulted": None}
    assert unpack(Later, pack(Later(None, None))) == Later(None, None)


def test_defaults_take_no_room() -> None:
    assert pack(Later(1)) == {"required": 1}
    assert pack(Later(1, "y", 2.0), frozenset({"defaulted"})) == {"required": 1, "optional": 2.0}


def test_absent_keys_become_defaults_and_unknown_ones_are_passed_over() -> None:
    assert unpack(Later, {"required": 1, "invented_later": 2}) == Later(1)
