"""`metering_drain`: bring everything that is in the spool into the database; for cron, a pod's preStop hook, and after a crash."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.management.output import OperatorCommand, facts, seconds
from agentcore_metering.adapters.django.persistence.journal import DjangoRowStore
from agentcore_metering.adapters.django.persistence.modes import spool_directory
from agentcore_metering.adapters.django.runtime import flush_if_begun
from agentcore_metering.delivery.directory import fault_of
from agentcore_metering.delivery.survey import survey
from agentcore_metering.delivery.sweep import SweepOutcome, SweepReport, sweep

TIMEOUT_S = 20.0


class Command(OperatorCommand):
    """Deliver what dead processes left, and what living ones leave lying, until nothing is left of it."""

    help = (
        "Bring all usage records in the spool of this machine into the database: those of dead processes, and those of living "
        "ones that do not deliver (as in uWSGI without threads). Nothing is lost in any case; run it again."
    )
    statuses = {
        0: "nothing is left of what was there",
        1: "something is left, or the spool cannot be read",
        2: "wrong options, or the database is away",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument(
            "--timeout",
            type=seconds,
            default=TIMEOUT_S,
            metavar="S",
            help="give up after S seconds (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, and say what came of it."""
        flush_if_begun(options["timeout"])
        directory = spool_directory()
        store = DjangoRowStore(metering_settings.DATABASE_ALIAS)
        try:
            with self.progress("records", options, lambda: survey(directory).records) as progress:
                report = sweep(
                    directory, store, options["timeout"], on_pass=lambda left: progress.update_left(left.records)
                )
        except OSError as exc:
            raise CommandError(f"{directory} cannot be read: {exc}", returncode=SweepOutcome.LEFT) from exc
        document = _document(report)
        self.print_result(document, facts(document), options)
        self.end(report.outcome, _reason(report))


def _document(report: SweepReport) -> dict[str, Any]:
    return {
        "outcome": report.outcome.name.lower(),
        "directory": str(report.left.directory),
        "written": report.written,
        "repaired": report.repaired,
        "quarantined": report.quarantined,
        "interrupted": report.interrupted,
        "adopted_segments": report.adopted_segments,
        "relieved_records": report.relieved_records,
        "left_records": report.left.records,
        "left_segments": report.left.orphaned_segments,
        "reason": report.reason,
    }


def _reason(report: SweepReport) -> str:
    left = report.left
    told = (
        f"{left.records} records and {left.orphaned_segments} segments of dead processes are left in {left.directory}"
    )
    if report.outcome is SweepOutcome.DATABASE_AWAY:
        return f"{told}: the database is away ({report.reason})"
    fault = fault_of(left.directory)
    return f"{told}: {fault}; run this as the user of the server" if fault else told
