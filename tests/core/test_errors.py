"""Errors say what they are about."""

from __future__ import annotations

from agentcore_metering.core.errors import InvalidField, MeteringError


def test_invalid_field_names_its_field() -> None:
    error = InvalidField("config.api_key", "missing")

    assert (error.field, str(error), error.code) == ("config.api_key", "missing", "invalid_field")
    assert isinstance(error, MeteringError)
    assert isinstance(error, ValueError)
