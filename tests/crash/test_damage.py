"""A thousand times damage to a dead process's journal: nothing is raised, nothing is blocked, and only what was hit is lost."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.adoption import Adopter
from agentcore_metering.delivery.codec import encode, read_lines
from agentcore_metering.delivery.journal import Journal
from agentcore_metering.delivery.segment import HEADER_BYTES, Segment
from agentcore_metering.delivery.throttle import LogThrottle
from agentcore_metering.delivery.writer import Writer
from tests.delivery.builders import MemoryStore, make_record
from tests.fakes import FakeClock

SEGMENTS_PER_KIND = 334
LINES = 20
ROOM_BYTES = 64 * 1024
CHECKSUM_DIGITS = 8


@dataclass(frozen=True)
class Damage:
    """What a file looks like afterwards, and what is to be expected of it."""

    content: bytes
    whole: list[int]
    """Numbers of the lines that nothing has happened to."""
    remnants: int
    """Places where something is left that cannot be read."""


@dataclass(frozen=True)
class Healthy:
    """A segment's lines, and where each begins and ends in its file."""

    content: bytes
    spans: list[tuple[int, int]]

    def untouched(self, begin: int, end: int) -> list[int]:
        return [number for number, (first, last) in enumerate(self.spans) if last <= begin or first >= end]


@pytest.fixture(scope="module")
def healthy() -> Healthy:
    """Ends only: what each one leaves behind when it is lost is nothing but itself."""
    content, spans = bytes(HEADER_BYTES), []
    for number in range(LINES):
        line = encode(make_record(str(number), notes={"text": "x" * random.Random(number).randrange(200)}))
        spans.append((len(content), len(content) + len(line)))
        content += line
    return Healthy(content, spans)


def flip(healthy: Healthy, chance: random.Random) -> Damage:
    """One byte of one line is another one: a bad cell."""
    number = chance.randrange(LINES)
    begin, end = healthy.spans[number]
    at = chance.randrange(begin, end)
    other = chance.choice([value for value in range(256) if value != healthy.content[at]])
    content = healthy.content[:at] + bytes([other]) + healthy.content[at + 1 :]
    is_missed_by_nobody = at == begin + CHECKSUM_DIGITS or (at == end - 1 and (number < LINES - 1 or other == 0))
    if is_missed_by_nobody:
        return Damage(content, list(range(LINES)), remnants=0)
    return Damage(content, healthy.untouched(begin, end), remnants=1)


def cut_off(healthy: Healthy, chance: random.Random) -> Damage:
    """The file ends too early: a torn write."""
    at = chance.randrange(HEADER_BYTES, len(healthy.content))
    whole = [number for number, (_begin, end) in enumerate(healthy.spans) if end - 1 <= at]
    is_torn = all(at not in (begin, end - 1) for begin, end in healthy.spans)
    return Damage(healthy.content[:at], whole, remnants=int(is_torn))


def cut_out(healthy: Healthy, chance: random.Random) -> Damage:
    """Some bytes are zeros: blocks that a power loss did not let through."""
    begin = chance.randrange(HEADER_BYTES, len(healthy.content) - 1)
    end = min(len(healthy.content), begin + chance.randrange(1, 1500))
    content = healthy.content[:begin] + bytes(end - begin) + healthy.content[end:]
    hit = [span for span in healthy.spans if span[0] < end and span[1] > begin]
    whole = healthy.untouched(begin, end)
    return Damage(content, whole, remnants=int(hit[0][0] < begin or hit[-1][1] > end))


@pytest.mark.parametrize("kind", [flip, cut_off, cut_out])
def test_only_damaged_lines_are_lost_and_they_are_counted(
    tmp_path: Path,
    healthy: Healthy,
    kind: Callable[[Healthy, random.Random], Damage],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    for number in range(SEGMENTS_PER_KIND):
        damage = kind(healthy, random.Random(number))
        directory = tmp_path / str(number)
        leave_behind(directory, damage.content, number)

        store = MemoryStore()
        adopter = Adopter(Journal(directory), LogThrottle(FakeClock()))
        assert adopter.adopt(store.write) == 1, number

        assert sorted(int(key) for key in store.keys) == damage.whole, number
        assert adopter.unreadable_lines == damage.remnants, number
        assert len(list(directory.iterdir())) == damage.remnants, f"{number}: a damaged file is kept, and no other"


def test_damage_blocks_no_start_and_no_other_record(tmp_path: Path, healthy: Healthy) -> None:
    kinds = (flip, cut_off, cut_out)
    damages = [kinds[number % 3](healthy, random.Random(number)) for number in range(100)]
    for number, damage in enumerate(damages):
        leave_behind(tmp_path, damage.content, number)
    leave_behind(tmp_path, random.Random(1).randbytes(5_000), 100)
    leave_behind(tmp_path, b"", 101)

    store = MemoryStore()
    writer = Writer(Journal(tmp_path), store)
    writer.attempt_ended(make_record("own"))
    assert writer.flush(20)
    writer.adopt_once()
    writer.close()

    assert "own" in store.keys
    assert len(store.rows) >= LINES  # every line is whole in one of the files


def test_reader_that_stops_at_the_first_bad_line_loses_the_others(healthy: Healthy) -> None:
    """The control: what a plain loop over the lines would do."""
    short = 0
    for number in range(SEGMENTS_PER_KIND):
        damage = flip(healthy, random.Random(number))
        short += stops_at_first_damage(damage.content) < len(damage.whole)

    assert short > SEGMENTS_PER_KIND / 2


def stops_at_first_damage(content: bytes) -> int:
    lines: list[AttemptRecord] = []
    for line in content[HEADER_BYTES:].splitlines(keepends=True):
        found = list(read_lines(line))
        if len(found) != 1 or not isinstance(found[0], AttemptRecord):
            break
        lines.append(found[0])
    return len(lines)


def leave_behind(directory: Path, content: bytes, number: int) -> None:
    """As a dead process leaves a segment: with the room that it had reserved."""
    directory.mkdir(exist_ok=True)
    segment = Segment.create(directory / f"host-{number}-dead-000001.jnl", max(ROOM_BYTES, len(content)))
    path = segment.path
    segment.close()
    header = path.read_bytes()[:HEADER_BYTES]
    path.write_bytes(header + content[HEADER_BYTES:] + bytes(ROOM_BYTES - len(content)) if content else b"")
