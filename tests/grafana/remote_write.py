"""Prometheus' remote write, version 1: series as its protobuf messages, in snappy's framing. Only what the receiver of the tests needs.

Written by hand because neither format is worth a dependency: two kinds of field, and a compression that may as well not compress.
"""

from __future__ import annotations

import struct
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_VARINT, _DOUBLE, _BYTES = 0, 1, 2
_LONGEST_LITERAL = 1 << 16
_TWO_BYTES_OF_LENGTH = 61 << 2
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One measured value with the trace that it was measured in."""

    labels: Mapping[str, str]
    value: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class Series:
    """One sample of one series, and the exemplars that belong to it."""

    labels: Mapping[str, str]
    value: float
    at_ms: int
    exemplars: tuple[Exemplar, ...] = field(default=())


def write(url: str, series: Iterable[Series]) -> None:
    """Send `series` to a server that takes remote write. urllib's HTTPError where it refuses one."""
    body = compressed(b"".join(_message(1, _series(each)) for each in series))
    with urllib.request.urlopen(urllib.request.Request(url, body, HEADERS), timeout=10):
        """Its answer has no body."""


def compressed(raw: bytes) -> bytes:
    """`raw` in snappy's block format, as literals alone."""
    pieces = [raw[start : start + _LONGEST_LITERAL] for start in range(0, len(raw), _LONGEST_LITERAL)]
    literals = (bytes([_TWO_BYTES_OF_LENGTH]) + struct.pack("<H", len(piece) - 1) + piece for piece in pieces)
    return _varint(len(raw)) + b"".join(literals)


def _series(series: Series) -> bytes:
    exemplars = (_message(3, _labels(each.labels) + _sample(each, 2)) for each in series.exemplars)
    return _labels(series.labels) + _message(2, _sample(series, 1)) + b"".join(exemplars)


def _labels(labels: Mapping[str, str]) -> bytes:
    pairs = (_message(1, name.encode()) + _message(2, value.encode()) for name, value in sorted(labels.items()))
    return b"".join(_message(1, pair) for pair in pairs)


def _sample(sample: Series | Exemplar, first_field: int) -> bytes:
    value = _tag(first_field, _DOUBLE) + struct.pack("<d", sample.value)
    return value + _tag(first_field + 1, _VARINT) + _varint(sample.at_ms)


def _message(number: int, content: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(content)) + content


def _tag(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
