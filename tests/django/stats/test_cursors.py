from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from agentcore_metering.adapters.django.stats.cursors import Cursor, decode_cursor, encode_cursor
from agentcore_metering.core.errors import InvalidField
from tests.django.factories import NOON

FILTERS = (("model", "gpt"), ("node", "a"))
PLACE = Cursor(NOON, UUID(int=5))


@given(
    moment=st.datetimes(timezones=st.just(UTC), min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)),  # noqa: DTZ001
    row_id=st.uuids(),
    is_backward=st.booleans(),
)
def test_cursor_reads_as_it_was_written(moment: datetime, row_id: UUID, is_backward: bool) -> None:
    cursor = Cursor(moment, row_id, is_backward)

    assert decode_cursor(encode_cursor(cursor, FILTERS), FILTERS) == cursor


def test_cursor_says_nothing_of_its_filters_and_needs_no_escaping() -> None:
    text = encode_cursor(PLACE, FILTERS)

    assert len(text) == 52
    assert text.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("filters", [(), (("model", "gpt"),), (("model", "gpt"), ("node", "b"))])
def test_cursor_of_other_filters_is_refused(filters: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(InvalidField, match="not valid for these filters") as caught:
        decode_cursor(encode_cursor(PLACE, FILTERS), filters)

    assert caught.value.field == "cursor"


@pytest.mark.parametrize("position", range(0, 52, 3))
def test_cursor_that_was_changed_is_refused(position: int) -> None:
    text = encode_cursor(PLACE, FILTERS)
    changed = text[:position] + ("B" if text[position] == "A" else "A") + text[position + 1 :]

    with pytest.raises(InvalidField):
        decode_cursor(changed, FILTERS)


@pytest.mark.parametrize(
    "text",
    ["x", "A" * 52, "A" * 51, "A" * 53, "=" * 52, "\x00" * 52, "\u00e4" * 52, "\ud800" * 52, "9" * 100_000, "{}", " "],
)
def test_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidField):
        decode_cursor(text, FILTERS)


def test_cursor_of_another_host_is_refused(settings: Settings) -> None:
    text = encode_cursor(PLACE, FILTERS)
    settings.SECRET_KEY = "the key of another host"

    with pytest.raises(InvalidField):
        decode_cursor(text, FILTERS)
