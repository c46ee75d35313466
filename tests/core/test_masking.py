"""Texts without secrets: those that are known, in every form, and what looks like one."""

from __future__ import annotations

import base64

import pytest

from agentcore_metering.core.masking import redact

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        f"bad key {KEY}",
        f"https://host/?key={KEY}&x=1",
        f"Authorization: Bearer {KEY}",
        base64.b64encode(KEY.encode()).decode(),
        "a%2Fb%2Bc",
    ],
)
def test_redact_masks_known_secrets_in_every_form(text: str) -> None:
    redacted = redact(text, [KEY, "a/b+c"])

    assert KEY not in redacted
    assert "***" in redacted


def test_redact_leaves_nothing_of_a_secret_that_begins_with_another_one() -> None:
    assert redact(f"bad key {KEY}-eu", [KEY, f"{KEY}-eu"]) == "bad key ***"


def test_redact_masks_what_is_shaped_like_a_key() -> None:
    assert redact("Incorrect API key provided: sk-proj-abcdefghijklmnop123") == "Incorrect API key provided: ***"


def test_redact_bounds_the_text() -> None:
    assert len(redact("x" * 10_000)) == 2_000


def test_redact_leaves_short_values_alone() -> None:
    assert redact("a=1, b=11", ["1"]) == "a=1, b=11"
