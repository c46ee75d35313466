from __future__ import annotations

from typing import Any

import pytest

from agentcore_metering.adapters.django.config.masking import masked, unmasked
from agentcore_metering.core.errors import InvalidField

LONG = "sk-0123456789-abcdef"  # 20 characters


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"api_key": LONG}, {"api_key": "***cdef"}),
        ({"api_key": LONG[1:]}, {"api_key": "***"}),
        ({"api_key": ""}, {"api_key": ""}),
        ({"key": "k" * 9}, {"key": "***"}),
        ({"model": "gpt-4o-mini", "temperature": 0.5}, {"model": "gpt-4o-mini", "temperature": 0.5}),
        ({"aws_secret_access_key": LONG}, {"aws_secret_access_key": "***cdef"}),
        ({"extra_headers": {"Authorization": LONG}}, {"extra_headers": {"Authorization": "***cdef"}}),
        ({"clients": [{"token": LONG}, "short"]}, {"clients": [{"token": "***cdef"}, "***"]}),
        ({"pin": 4711, "is_on": True, "none": None}, {"pin": "***", "is_on": True, "none": None}),
        ({"api_base": "https://api.example.com/v1"}, {"api_base": "https://api.example.com/v1"}),
        ({"api_base": "https://u:secret@example.com/v1"}, {"api_base": "***m/v1"}),
        ({"model": {"token": LONG}}, {"model": {"token": "***cdef"}}),
    ],
)
def test_secret_at_any_depth_is_masked(options: dict[str, Any], shown: dict[str, Any]) -> None:
    assert masked(options) == shown


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("api_key", LONG),
        ("pin", 4711),
        ("extra_headers", {"Authorization": LONG, "X-Team": "blue"}),
        ("clients", [{"token": LONG}, "short"]),
        ("api_base", "https://u:secret@example.com/v1"),
    ],
)
def test_shown_options_that_come_back_are_the_stored_ones(key: str, stored: Any) -> None:
    assert unmasked(key, masked({key: stored})[key], stored) == stored


@pytest.mark.parametrize("mask", ["***", "***cdef", "sk-a***cdef", "******", "sk-***"])
def test_mask_of_any_form_stands_for_the_stored_secret(mask: str) -> None:
    assert unmasked("api_key", mask, LONG) == LONG


@pytest.mark.parametrize(
    ("key", "sent", "stored", "path"),
    [
        ("api_key", "***", None, "config.api_key"),
        ("api_key", "***", "", "config.api_key"),
        ("api_key", "***", {"nested": LONG}, "config.api_key"),
        ("extra_headers", {"Authorization": "***"}, {"X-Team": LONG}, "config.extra_headers.Authorization"),
        ("clients", [LONG, "***"], [LONG], "config.clients"),
    ],
)
def test_mask_without_a_stored_secret_is_refused(key: str, sent: Any, stored: Any, path: str) -> None:
    with pytest.raises(InvalidField) as caught:
        unmasked(key, sent, stored)

    assert caught.value.field == path


def test_public_value_with_stars_is_no_mask() -> None:
    assert unmasked("deployment", "blue***green", "red") == "blue***green"
