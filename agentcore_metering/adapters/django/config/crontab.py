"""Owns which texts are schedules: five fields with lists, ranges, steps, and names of months and week days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["is_crontab"]

MAX_CHARACTERS = 200

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEK_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

_ITEM = re.compile(
    r"(?:\*|(?P<first>[0-9]{1,2}|[a-z]{3})(?:-(?P<last>[0-9]{1,2}|[a-z]{3}))?)(?:/(?P<step>[0-9]{1,2}))?"
)


@dataclass(frozen=True, slots=True)
class _Field:
    smallest: int
    largest: int
    names: tuple[str, ...] = ()

    def takes(self, text: str) -> bool:
        return text in self.names or (text.isdigit() and self.smallest <= int(text) <= self.largest)


# Sunday is 0 or 7.
_FIELDS = (_Field(0, 59), _Field(0, 23), _Field(1, 31), _Field(1, 12, _MONTHS), _Field(0, 7, _WEEK_DAYS))


def is_crontab(text: Any) -> bool:
    """Whether `text` is a schedule: minute, hour, day of month, month, day of week."""
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        return False
    parts = text.split()
    return len(parts) == len(_FIELDS) and all(
        _is_item(item, field) for part, field in zip(parts, _FIELDS, strict=True) for item in part.split(",")
    )


def _is_item(text: str, field: _Field) -> bool:
    found = _ITEM.fullmatch(text.lower())
    if found is None or (found["step"] and int(found["step"]) == 0):
        return False
    return all(end is None or field.takes(end) for end in (found["first"], found["last"]))
