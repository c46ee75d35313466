"""What the commands for operators have in common: figures on stdout, progress on stderr, an exit status that a script can act on."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

__all__ = ["OperatorCommand", "seconds", "table"]


class OperatorCommand(BaseCommand):
    """A command with `--json`. It runs no system checks: a probe shall not fail, or take long, because of the host's."""

    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """`--json`; a subclass adds its own."""
        parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")

    def progress(self, text: str, options: dict[str, Any]) -> None:
        """A line on stderr, unless `--verbosity 0`."""
        if options["verbosity"] > 0:
            self.stderr.write(text, self.style.NOTICE)

    def print_result(self, document: Any, lines: Iterable[str], options: dict[str, Any]) -> None:
        """The result on stdout: `document` with `--json`, else `lines`."""
        if options["json"]:
            self.stdout.write(json.dumps(document, indent=2))
        else:
            for line in lines:
                self.stdout.write(line)

    def end(self, status: int, reason: str) -> None:
        """End with the exit status; a reason that is not 0's goes to stderr."""
        if status:
            raise CommandError(reason, returncode=int(status))


def seconds(text: str) -> float:
    """An option's number of seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds such as 20 or 0.5")
    return value


def table(rows: Iterable[tuple[object, ...]]) -> list[str]:
    """Rows as lines whose columns stand below each other."""
    texts = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts]


def _shown(cell: object) -> str:
    return "-" if cell is None else str(cell)
