"""Batches -> bytes: CSV for spreadsheets, JSON lines for programs, FOCUS for cost tools. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from agentcore_metering.adapters.django.exports.columns import COLUMNS, Column, Kind
from agentcore_metering.adapters.django.exports.focus import FOCUS_COLUMNS, FOCUS_NAMES, FOCUS_TEXTS, focus_row
from agentcore_metering.adapters.django.exports.reading import Batch

__all__ = ["BOM", "FORMATS", "ExportFormat", "defused"]

BOM = "\ufeff".encode()

_FORMULA_STARTS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet takes for the start of a formula, or drops before one; also in the full-width forms."""

_BOOLEAN_TEXTS = {True: "true", False: "false"}


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A kind of file."""

    name: str
    content_type: str
    extension: str
    columns: tuple[Column, ...]
    """What is read for it."""
    header: bytes
    body: Callable[[Batch], bytes]
    """The lines of a batch."""
    condition: Q = field(default_factory=Q)
    """The rows that it can say; all, where it is empty."""
    is_csv: bool = True


def _csv(lines: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    return out.getvalue().encode("utf-8", "replace")


def _csv_body(batch: Batch) -> bytes:
    lines = [list(row) for row in batch]
    for line in lines:
        _defuse(line, _TEXT_PLACES)
        for index in _BOOLEAN_PLACES:
            line[index] = _BOOLEAN_TEXTS.get(line[index])
    return _csv(lines)


def _jsonl_body(batch: Batch) -> bytes:
    encode = _ENCODER.encode
    # What is JSON already goes in as it is.
    lines = (
        f'{encode(dict(zip(_PLAIN_NAMES, row, strict=False)))[:-1]},"usage_details":{row[-2] or "null"},"metadata":{row[-1] or "null"}}}\n'
        for row in batch
    )
    return "".join(lines).encode("utf-8", "replace")


def _focus_body(batch: Batch) -> bytes:
    lines = [focus_row(row) for row in batch]
    for line in lines:
        _defuse(line, _FOCUS_TEXT_PLACES)
    return _csv(lines)


def _defuse(line: list[Any], places: Sequence[int]) -> None:
    """Make each text harmless in a spreadsheet."""
    for index in places:
        if line[index]:
            line[index] = defused(line[index])


def defused(text: str) -> str:
    """The text, behind an apostrophe where a spreadsheet would compute it."""
    return f"'{text}" if text[:1] in _FORMULA_STARTS else text


_TEXT_PLACES = tuple(index for index, column in enumerate(COLUMNS) if column.kind in (Kind.TEXT, Kind.KEY, Kind.JSON))
_BOOLEAN_PLACES = tuple(index for index, column in enumerate(COLUMNS) if column.kind is Kind.BOOLEAN)
_FOCUS_TEXT_PLACES = tuple(FOCUS_NAMES.index(name) for name in FOCUS_TEXTS)
_NAMES = tuple(column.name for column in COLUMNS)
_PLAIN_NAMES = _NAMES[:-2]
"""All but `usage_details` and `metadata`."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

_CSV_TYPE = "text/csv; charset=utf-8"

FORMATS: dict[str, ExportFormat] = {
    "csv": ExportFormat("csv", _CSV_TYPE, "csv", COLUMNS, _csv([_NAMES]), _csv_body),
    "jsonl": ExportFormat("jsonl", "application/x-ndjson", "jsonl", COLUMNS, b"", _jsonl_body, is_csv=False),
    # A charge has an amount: a row whose cost is unknown is none.
    "focus": ExportFormat(
        "focus", _CSV_TYPE, "focus.csv", FOCUS_COLUMNS, _csv([FOCUS_NAMES]), _focus_body, Q(cost__isnull=False)
    ),
}
