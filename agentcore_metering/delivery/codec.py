"""Owns the journal's line: `crc32 SP json LF`, versioned, bounded, and read back line by line whatever happened to the file.

A line holds what a row needs and nothing else: prompts and keys live in no `AttemptRecord`. Where lines are kept is `segment`'s.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import pairwise
from typing import Any

from agentcore_metering.core.types import AttemptRecord, AttemptStart
from agentcore_metering.delivery.packing import UNPACK_ERRORS, pack, unpack

__all__ = [
    "MAX_LINE_BYTES",
    "VERSION",
    "Entry",
    "Reason",
    "Unreadable",
    "count_ends",
    "encode",
    "encode_end",
    "from_text",
    "is_start",
    "read_lines",
    "read_whole_lines",
    "to_text",
]

VERSION = 1
"""Raised when an older reader would take a line for something that it is not; new fields alone do not raise it."""

MAX_LINE_BYTES = 64 * 1024
"""An attempt whose line would be longer loses its largest JSON parts, with a mark; its figures stay."""

_KEPT_CHARACTERS = (1_000, 100)
_KEPT_ITEMS = 5
_LARGEST_NUMBER = 2**63
"""What is left of texts (first and last try) and lists, and what is a number, in a line too long even without its JSON parts."""

_START, _END = "s", "e"
_CHECKSUM_DIGITS = 8
_START_MARK = b'{"v":%d,"k":"s"' % VERSION
# With the space before it, which compact JSON has nowhere.
_END_MARK = b' {"v":%d,"k":"e"' % VERSION
# Text inside a JSON string has its quotes escaped, so this is found only where a line begins.
_LINE_BEGIN = re.compile(rb'[0-9a-f]{8} \{"v":')
_JSON = json.JSONEncoder(separators=(",", ":"), default=str)
_SHARED = frozenset(item.name for item in fields(AttemptStart))
_MAX_SHARED_BYTES = MAX_LINE_BYTES // 4
"""A start that is longer may have lost parts that the end has room for."""
_OPTIONAL_PARTS = (("notes",), ("facts", "usage", "raw"), ("context", "metadata"))


class Reason(StrEnum):
    """Why a line gives no record."""

    DAMAGED = "damaged"
    """Torn, or its checksum is wrong."""
    NEWER = "newer"
    """Whole, but written by a release that knows more."""
    MALFORMED = "malformed"
    """Whole, but no record."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that gives no record; the lines after it are read all the same."""

    reason: Reason
    version: int | None = None


Entry = AttemptStart | AttemptRecord | Unreadable


def encode(entry: AttemptStart | AttemptRecord) -> bytes:
    """The line of an attempt's start or end, at most `MAX_LINE_BYTES` long. ValueError where nothing makes it that short."""
    kind = _START if isinstance(entry, AttemptStart) else _END
    packed = pack(entry)
    line = _line(kind, packed) or _line(kind, _without_optional_parts(packed, kind))
    for kept_characters in _KEPT_CHARACTERS:
        line = line or _line(kind, _shortened(packed, kept_characters))
    if line is not None:
        return line
    raise ValueError(f"attempt {entry.id} cannot be written as a line of at most {MAX_LINE_BYTES} bytes")


def encode_end(record: AttemptRecord, start: AttemptStart, start_line: bytes) -> bytes:
    """The same as of `encode`, at half the price: what the attempt's start and its end both say is taken from the start's line."""
    is_same = all(getattr(record, name) is getattr(start, name) for name in _SHARED)
    if not is_same or len(start_line) > _MAX_SHARED_BYTES:
        return encode(record)
    told = start_line[_CHECKSUM_DIGITS + 1 + len(_START_MARK) : -2]
    try:
        rest = _JSON.encode(pack(record, _SHARED)).encode("ascii")
    except (ValueError, TypeError, RecursionError):
        return encode(record)
    line = _framed(b"".join((_END_MARK[1:], told, b",", rest[1:])))
    return line if len(line) <= MAX_LINE_BYTES else encode(record)


def to_text(record: AttemptRecord) -> str:
    """The record as JSON for people and logs, bounded like its line."""
    return encode(record)[_CHECKSUM_DIGITS + 1 : -1].decode("ascii")


def from_text(text: str) -> Entry:
    """What `to_text` has written."""
    return _read_body(text.encode("utf-8", "surrogatepass"))


def count_ends(content: bytes) -> int:
    """How many ends begin in `content`, without reading them."""
    return content.count(_END_MARK)


def is_start(line: bytes) -> bool:
    """Whether a line of this version tells of a start; cheaper than reading it."""
    return line.startswith(_START_MARK, _CHECKSUM_DIGITS + 1)


def read_lines(content: bytes, *, skip_starts: bool = False) -> Iterator[Entry]:
    """What the lines of `content` say, in order. Nothing is raised for any content.

    Zeros at the end are room that was reserved and not used. A damaged line is told as one `Unreadable`; where only its line feed
    is gone, both lines that it parted are still read. One damage is one `Unreadable`, also where it looks like a line feed.
    """
    is_behind_damage = False
    for piece in content.rstrip(b"\0").split(b"\n"):
        line = piece.lstrip(b"\0")
        entry = _decode(line) if line and not (skip_starts and is_start(line)) else None
        is_damaged = isinstance(entry, Unreadable) and entry.reason is Reason.DAMAGED
        if is_damaged:
            yield from _salvaged(line, is_behind_damage)
        elif entry is not None:
            yield entry
        is_behind_damage = is_damaged


def read_whole_lines(content: bytes) -> tuple[list[Entry], int]:
    """What the lines say up to the first one that is not whole, and how many bytes that is.

    For a file whose owner is writing to it: behind a line that is half there nothing can be told from damage.
    """
    entries: list[Entry] = []
    length = 0
    while (end := content.find(b"\n", length)) >= 0:
        entry = _decode(content[length:end])
        if isinstance(entry, Unreadable):
            break
        entries.append(entry)
        length = end + 1
    return entries, length


def _line(kind: str, packed: dict[str, Any]) -> bytes | None:
    """The line, or None where it is too long or holds a nesting or a number that JSON cannot write."""
    try:
        body = _JSON.encode({"v": VERSION, "k": kind, **packed}).encode("ascii")
    except (ValueError, TypeError, RecursionError):
        return None
    line = _framed(body)
    return line if len(line) <= MAX_LINE_BYTES else None


def _framed(body: bytes) -> bytes:
    return b"%08x %b\n" % (zlib.crc32(body), body)


def _decode(line: bytes) -> Entry:
    body = line[_CHECKSUM_DIGITS + 1 :]
    if line[:_CHECKSUM_DIGITS] != b"%08x" % zlib.crc32(body):
        return Unreadable(Reason.DAMAGED)
    return _read_body(body)


def _read_body(body: bytes) -> Entry:
    try:
        packed = json.loads(body)
        if packed["v"] > VERSION:
            return Unreadable(Reason.NEWER, int(packed["v"]))
        return _READERS[packed["k"]](packed)
    except UNPACK_ERRORS:
        return Unreadable(Reason.MALFORMED)


_READERS: dict[str, Callable[[dict[str, Any]], AttemptStart | AttemptRecord]] = {
    _START: lambda packed: unpack(AttemptStart, packed),
    _END: lambda packed: unpack(AttemptRecord, packed),
}


def _salvaged(line: bytes, is_behind_damage: bool) -> Iterator[Entry]:
    begins = [found.start() for found in _LINE_BEGIN.finditer(line)]
    # What begins no line, behind a damaged one, is the rest of that: damage may look like a line feed.
    has_loss = (not begins or begins[0] > 0) and not is_behind_damage
    for begin, next_begin in pairwise([*begins, len(line) + 1]):
        entry = _decode(line[begin : next_begin - 1])
        if isinstance(entry, Unreadable):
            has_loss = True
        else:
            yield entry
    if has_loss:
        yield Unreadable(Reason.DAMAGED)


def _without_optional_parts(packed: dict[str, Any], kind: str) -> dict[str, Any]:
    """`packed` without its JSON parts, largest first and no more than needed; changed in place and marked with what went."""
    parts = sorted(_OPTIONAL_PARTS, key=lambda path: _size(_parent(packed, path).get(path[-1])), reverse=True)
    dropped: list[str] = []
    for path in parts:
        if _parent(packed, path).pop(path[-1], None) is None:
            continue
        dropped.append(path[-1])
        marked = packed if kind == _END else packed["context"]
        marked.setdefault("notes" if kind == _END else "metadata", {})["dropped_oversize"] = dropped
        if _line(kind, packed) is not None:
            break
    return packed


def _parent(packed: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path[:-1]:
        packed = packed.get(name) or {}
    return packed


def _size(part: Any) -> float:
    """Bytes as JSON; what cannot be written is largest of all."""
    try:
        return len(json.dumps(part, default=str))
    except (ValueError, TypeError, RecursionError):
        return float("inf")


def _shortened(value: Any, kept_characters: int) -> Any:
    if isinstance(value, str):
        return value[:kept_characters]
    if isinstance(value, dict):
        return {key: _shortened(item, kept_characters) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item, kept_characters) for item in value[:_KEPT_ITEMS]]
    if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
        return hex(value)[:kept_characters]
    return value
