"""`metering_status`: how the side-channel stands, for people and, by its exit status, for probes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from agentcore_metering.adapters.django.management.output import COULD_NOT, FOUND, OperatorCommand, seconds, table
from agentcore_metering.adapters.django.persistence.status import MAX_AGE_S, Limits, SideChannelStatus, read_status


class Command(OperatorCommand):
    """Say where the spool lies, whose records wait in it, for how long, and whether the database can be reached."""

    help = (
        "Show the usage records that wait in the spool of this machine, by process, and whether the database can be reached. "
        "Nothing is changed."
    )
    statuses = {
        0: "all is well",
        1: "degraded: the reason is told",
        2: "wrong options, or the database is away",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument(
            "--max-age",
            type=seconds,
            default=MAX_AGE_S,
            metavar="S",
            help="degraded when a record has waited for more than S seconds (default: %(default)s)",
        )
        parser.add_argument("--max-backlog", type=int, metavar="N", help="degraded when more than N records wait")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read and show."""
        status = read_status(Limits(options["max_age"], options["max_backlog"]))
        self.print_result(status.as_document(), _lines(status), options)
        reason = "; ".join(problem.detail for problem in status.problems)
        self.end((0 if status.is_ok else FOUND) if status.is_database_reachable else COULD_NOT, reason)


def _lines(status: SideChannelStatus) -> Iterator[str]:
    spool = status.spool
    yield from table(
        [
            ("status", "ok" if status.is_ok else "degraded"),
            ("mode", status.mode),
            ("database", f"{status.database_alias}, {'reachable' if status.is_database_reachable else 'away'}"),
            ("spool", spool.directory),
            ("used / limit / free bytes", f"{spool.used_bytes} / {status.max_bytes} / {spool.free_bytes}"),
            ("records waiting", f"{spool.records} ({spool.undelivered_bytes} bytes)"),
            ("oldest has waited, s", status.age_s(spool.oldest_ended_at)),
            ("quarantined records", spool.quarantined_records),
            ("corrupt segments set aside", spool.corrupt_segments),
            ("segments of a later release", spool.newer_segments),
        ]
    )
    if spool.owners:
        yield ""
        yield from table(
            [
                ("process", "state", "segments", "records", "bytes", "oldest, s"),
                *[
                    (
                        item.owner,
                        "alive" if item.is_alive else "dead",
                        item.segments,
                        item.records,
                        item.undelivered_bytes,
                        status.age_s(item.oldest_ended_at),
                    )
                    for item in spool.owners
                ],
            ]
        )
    yield from [f"problem: {finding.code}: {finding.detail}" for finding in status.problems]
    yield from [f"notice: {finding.code}: {finding.detail}" for finding in status.notices]
