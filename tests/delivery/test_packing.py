"""What the core's own types do not show: fields that later ones may have."""

from __future__ import annotations

from dataclasses import dataclass

from agentcore_metering.delivery.packing import pack, unpack


@dataclass(frozen=True)
class Later:
    required: int | None
    defaulted: str = "x"
    optional: float | None = None


def test_none_where_none_is_no_default_survives() -> None:
    assert pack(Later(None)) == {"required": None, "defaulted": "x"}
    assert unpack(Later, pack(Later(None))) == Later(None)


def test_absent_keys_become_defaults_and_unknown_ones_are_passed_over() -> None:
    assert unpack(Later, {"required": 1, "invented_later": 2}) == Later(1)
