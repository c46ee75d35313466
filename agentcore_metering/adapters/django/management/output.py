"""What the commands for operators have in common: figures on stdout, progress on stderr, an exit status that a script can act on.

Options that several of them take are `options`'.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.utils.connection import ConnectionDoesNotExist

from agentcore_metering.adapters.django.management.progress import Progress

__all__ = ["COULD_NOT", "FOUND", "OperatorCommand", "facts", "seconds", "table"]

FOUND = 1
"""Exit status: it was done, and something is not as it should be, or is left."""
COULD_NOT = 2
"""Exit status: it could not be done. argparse ends with the same where an option is wrong."""

# PostgreSQL's word for a table that is not there yet is the last one; SQLite's is the first.
_UNUSABLE_DATABASE = (OperationalError, InterfaceError, ProgrammingError)


class OperatorCommand(BaseCommand):
    """A command with `--json`. It runs no system checks: a probe shall not fail, or take long, because of the host's."""

    requires_system_checks: list[str] = []
    statuses: ClassVar[Mapping[int, str]] = {}
    """What each exit status means, for `--help`."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """With the exit statuses below the options."""
        told = "; ".join(f"{status} {meaning}" for status, meaning in sorted(self.statuses.items()))
        return super().create_parser(prog_name, subcommand, epilog=f"Exit status: {told}.", **kwargs)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """As Django's; what keeps it from being done (database, settings, a reader that is gone) ends it with a sentence and COULD_NOT."""
        try:
            told = super().execute(*args, **options)
            self.stdout.flush()
        except BrokenPipeError:
            _let_go_of_stdout()
            raise CommandError("Whoever read stdout is gone before its end.", returncode=COULD_NOT) from None
        except _UNUSABLE_DATABASE as error:
            raise CommandError(f"The database cannot be used: {error}", returncode=COULD_NOT) from error
        except (ImproperlyConfigured, ConnectionDoesNotExist) as error:
            # The cause is cut: its frames may hold a key.
            raise CommandError(f"The settings cannot be used: {error}", returncode=COULD_NOT) from None
        return told

    def add_arguments(self, parser: CommandParser) -> None:
        """`--json`; a subclass adds its own."""
        parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")

    def progress(self, unit: str, options: dict[str, Any], count: Callable[[], int] | None = None) -> Progress:
        """A line about so many of `unit` on stderr; none with `--json` or `--verbosity 0`, or where stderr is no terminal."""
        is_shown = self.stderr.isatty() and not options["json"] and options["verbosity"] > 0
        return Progress(partial(self.stderr.write, style_func=str, ending="") if is_shown else None, unit, count)

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


def _let_go_of_stdout() -> None:
    """What is left in its buffer would fail once more when the interpreter ends."""
    with suppress(OSError):  # no file, as in a test
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def seconds(text: str) -> float:
    """An option's number of seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds such as 20 or 0.5")
    return value


def facts(document: Mapping[str, Any]) -> list[str]:
    """A document of single values as lines."""
    return [f"{name}: {_shown(value)}" for name, value in document.items()]


def table(rows: Iterable[tuple[object, ...]]) -> list[str]:
    """Rows as lines whose columns stand below each other."""
    texts = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts]


def _shown(cell: object) -> str:
    return "-" if cell is None else str(cell)
