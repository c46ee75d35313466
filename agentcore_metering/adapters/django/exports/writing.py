"""One export from its beginning to its end: the chunks of bytes, and how far it has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from agentcore_metering.adapters.django.exports.formats import BOM, ExportFormat
from agentcore_metering.adapters.django.exports.reading import read_batches
from agentcore_metering.adapters.django.stats.usage_query import UsageFilter, select_usage

__all__ = ["Export", "begin_export"]


@dataclass(slots=True)
class Export:
    """Chunks of a file; iterate once. Closing it, or dropping it, ends the reading."""

    chunks: Iterator[bytes] = field(repr=False, default_factory=lambda: iter(()))
    rows: int = 0
    """Written so far."""
    size_bytes: int = 0

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks


def begin_export(filters: UsageFilter, file_format: ExportFormat, *, has_bom: bool = False) -> Export:
    """The rows that the filters let through, oldest first, as a file of this format. Nothing is read before the first chunk is asked for.

    `has_bom` puts a byte order mark before CSV, by which Excel knows UTF-8.
    """
    export = Export()
    export.chunks = _write(export, filters, file_format, has_bom)
    return export


def _write(export: Export, filters: UsageFilter, file_format: ExportFormat, has_bom: bool) -> Iterator[bytes]:
    header = (BOM if has_bom else b"") + file_format.header
    if header:
        export.size_bytes += len(header)
        yield header
    for batch in read_batches(select_usage(filters).filter(file_format.condition), file_format.columns):
        chunk = file_format.body(batch)
        export.rows += len(batch)
        export.size_bytes += len(chunk)
        yield chunk
