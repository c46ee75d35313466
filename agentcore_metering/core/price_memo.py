"""Owns the answers of a price map that were worked out before: each holds as long as the entries it was read from are what they were.

A host may change the map at any time, so every use looks the entries up again and compares them; that costs a microsecond, working out a
price a dozen. What the answer is, is its asker's.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

__all__ = ["LookUp", "PriceMemo"]

T = TypeVar("T")
Entry = Mapping[str, Any]
LookUp = Callable[[str], Entry | None]

MAX_QUESTIONS = 1_000
"""Beyond them all are forgotten: a host has some dozen models in use."""

_LENGTH = re.compile(r"_above_(\d+)(k?)_tokens")
_BY_HOUR = "off_peak_pricing"
_BY_LENGTH = "tiered_pricing"


@dataclass(frozen=True, slots=True)
class _Answers(Generic[T]):
    """The answers to one question, by where among the `limits` the prompt's length is."""

    read: tuple[tuple[str, Entry | None, Entry | None], ...]
    """Each key that was looked up, what was found, and a copy of that."""
    limits: tuple[float, ...]
    by_length: dict[tuple[int, int], T] = field(default_factory=dict)

    def hold(self, look_up: LookUp) -> bool:
        """Whether the map says what it said."""
        return all(look_up(key) is entry and entry == copy for key, entry, copy in self.read)


class PriceMemo(Generic[T]):
    """Answers by question and length. Safe for threads; two that ask at once both work it out."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, _Answers[T]] = {}

    def answer(self, question: Hashable, length: int, look_up: LookUp, work_out: Callable[[LookUp], T]) -> T:
        """What `work_out` gives for `question`, which must name all that the answer depends on but the map, the hour and the `length`.

        `work_out` is given what to look entries up by. An answer that depends on the hour is not kept.
        """
        answers = self._answers.get(question)
        if answers is not None and answers.hold(look_up):
            place = _place(length, answers.limits)
            if place in answers.by_length:
                return answers.by_length[place]
        read: dict[str, Entry | None] = {}

        def noting(key: str) -> Entry | None:
            read[key] = look_up(key)
            return read[key]

        found = work_out(noting)
        self._keep(question, length, read, found)
        return found

    def _keep(self, question: Hashable, length: int, read: Mapping[str, Entry | None], found: T) -> None:
        entries = [entry for entry in read.values() if entry is not None]
        if any(_BY_HOUR in entry for entry in entries):
            return
        known = self._answers.get(question)
        copied = tuple((key, entry, deepcopy(entry)) for key, entry in read.items())
        if known is None or known.read != copied:
            if len(self._answers) >= MAX_QUESTIONS:
                self._answers.clear()
            known = self._answers[question] = _Answers(copied, _limits(entries))
        known.by_length[_place(length, known.limits)] = found


def _place(length: int, limits: tuple[float, ...]) -> tuple[int, int]:
    """Equal for two lengths that no limit tells apart, whether or not it is itself the last of its range."""
    return bisect_left(limits, length), bisect_right(limits, length)


def _limits(entries: Iterable[Entry]) -> tuple[float, ...]:
    found: set[float] = set()
    for entry in entries:
        found.update(int(match[1]) * (1000 if match[2] else 1) for key in entry for match in _LENGTH.finditer(key))
        for row in entry.get(_BY_LENGTH) or ():
            if isinstance(row, Mapping):
                found.update(bound for bound in row.get("range") or () if isinstance(bound, (int, float)))
    return tuple(sorted(found))
