"""`metering_export`: usage rows as a file, with the same filters and the same writer as the API's export."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError, CommandParser

from agentcore_metering.adapters.django.exports import FORMATS, Export, begin_export
from agentcore_metering.adapters.django.management.options import add_period
from agentcore_metering.adapters.django.management.output import COULD_NOT, OperatorCommand, facts
from agentcore_metering.adapters.django.stats import UsageFilter, parse_usage_filter
from agentcore_metering.adapters.django.stats.buckets import Period
from agentcore_metering.adapters.django.stats.usage_query import select_usage
from agentcore_metering.core.errors import InvalidField

STDOUT = "-"


class Command(OperatorCommand):
    """Write the file whole or not at all, and say how it goes on."""

    help = (
        "Export usage rows, oldest first, as csv, jsonl or focus (FinOps FOCUS 1.1). The file is written beside its name and takes "
        "it when it is complete; with --output - the rows go to stdout."
    )
    statuses = {
        0: "the file is complete",
        2: "wrong options, the file cannot be written, or the database cannot be used",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument("--format", choices=tuple(FORMATS), default="csv", help="default: %(default)s")
        add_period(parser)
        parser.add_argument("--output", required=True, metavar="FILE", help="the file, or - for stdout")
        parser.add_argument(
            "--filter",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a filter of the API, such as provider=openai or metadata.job=7; may be repeated",
        )
        parser.add_argument(
            "--bom", action="store_true", help="a byte order mark before CSV, by which Excel knows UTF-8"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, and say what came of it."""
        file_format, filters = FORMATS[options["format"]], _filters(options)
        export = begin_export(filters, file_format, has_bom=options["bom"] and file_format.is_csv)
        began_s = time.monotonic()
        if options["output"] == STDOUT:
            self._copy(export, sys.stdout.buffer, filters, options)
            return
        path = Path(options["output"])
        try:
            with _replacing(path) as out:
                self._copy(export, out, filters, options)
        except OSError as exc:
            raise CommandError(f"{path} cannot be written: {exc}", returncode=COULD_NOT) from exc
        document = {
            "output": str(path),
            "format": file_format.name,
            "rows": export.rows,
            "size_bytes": export.size_bytes,
            "seconds": round(time.monotonic() - began_s, 3),
        }
        self.print_result(document, facts(document), options)

    def _copy(self, export: Export, out: BinaryIO, filters: UsageFilter, options: dict[str, Any]) -> None:
        with self.progress("rows", options, lambda: select_usage(filters).count()) as progress:
            for chunk in export:
                out.write(chunk)
                progress.update(export.rows)
            out.flush()


def _filters(options: dict[str, Any]) -> UsageFilter:
    pairs = [text.partition("=") for text in options["filter"]]
    if halves := [name for name, sign, _value in pairs if not sign]:
        raise CommandError(f"--filter {halves[0]!r} has no value; write NAME=VALUE", returncode=COULD_NOT)
    try:
        filters = parse_usage_filter({name.strip(): value for name, _sign, value in pairs}, is_strict=True)
    except InvalidField as exc:
        raise CommandError(f"--filter {exc.field}: {exc}", returncode=COULD_NOT) from exc
    start, end = _later(filters.period.start, options["start"]), _earlier(filters.period.end, options["end"])
    return replace(filters, period=Period(start, end))


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the name of `path` when the block is left well, and is gone otherwise. Only its owner may read it."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
