"""Options that several commands share: which rows, and moments of time."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandParser

from agentcore_metering.adapters.django.persistence.selection import Selection

__all__ = ["add_batch_size", "add_dry_run", "add_period", "add_selection", "moment", "positive", "selection_of"]


def moment(text: str) -> datetime:
    """A moment from ISO 8601 text; a day means its midnight, and without an offset UTC is meant."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date or time such as 2026-11-01 or 2026-11-01T12:00"
        ) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def add_period(parser: CommandParser, *, is_required: bool = False) -> None:
    """`--from` and `--to`, as `start` and `end`."""
    parser.add_argument(
        "--from", dest="start", type=moment, metavar="TIME", required=is_required, help="first moment, ISO 8601"
    )
    parser.add_argument(
        "--to", dest="end", type=moment, metavar="TIME", required=is_required, help="first moment after the last"
    )


def add_batch_size(parser: argparse.ArgumentParser, default: int) -> None:
    """`--batch-size`."""
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=default,
        metavar="N",
        help="rows in one transaction (default: %(default)s)",
    )


def add_dry_run(parser: argparse._ActionsContainer) -> None:
    """`--dry-run`; a parser or a group of one."""
    parser.add_argument("--dry-run", action="store_true", help="change nothing, only say what would be done")


def add_selection(parser: CommandParser, *, is_from_required: bool) -> None:
    """Add the options that `selection_of` reads."""
    add_period(parser, is_required=is_from_required)
    parser.add_argument("--model", help="as asked for, as LiteLLM was given it, or as served")
    parser.add_argument("--provider", help="a provider's id, for example azure_openai")
    add_batch_size(parser, 500)


def selection_of(options: dict[str, Any]) -> Selection:
    """The rows that the options name."""
    return Selection(
        options["start"], options["end"], options["model"], options["provider"], batch_size=options["batch_size"]
    )


def positive(text: str) -> int:
    """An option's whole number above 0."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)
