"""`metering_cleanup`: delete usage that is older than the retention policy keeps; for cron, where there is no Celery."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from agentcore_metering.adapters.django.management.options import add_batch_size, add_dry_run, positive
from agentcore_metering.adapters.django.management.output import FOUND, OperatorCommand, facts, seconds
from agentcore_metering.adapters.django.retention import (
    DEFAULT_BATCH_SIZE,
    RetentionResult,
    apply_retention,
    preview_retention,
)


class Command(OperatorCommand):
    """Apply the retention policy once."""

    help = (
        "Delete usage rows that are older than the retention policy (metering-config/ or AGENTCORE_METERING_RETENTION_DAYS) keeps, "
        "in small transactions. What they add up to is summed up first and kept."
    )
    statuses = {
        0: "all that was due is deleted, or the policy says that nothing is",
        1: "the time was up, or not all of it is summed up yet: run it again",
        2: "wrong options, or the database cannot be used",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument(
            "--retention-days",
            type=positive,
            metavar="N",
            help="keep this many days, whatever the policy says, even if it is off",
        )
        add_dry_run(parser)
        add_batch_size(parser, DEFAULT_BATCH_SIZE)
        parser.add_argument(
            "--timeout", type=seconds, metavar="S", help="begin no further transaction after S seconds (default: never)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, and say what went."""
        days = options["retention_days"]
        if options["dry_run"]:
            self._tell(preview_retention(days), options)
            return
        with self.progress("rows", options, lambda: preview_retention(days).deleted) as progress:
            result = apply_retention(
                days, batch_size=options["batch_size"], budget_s=options["timeout"], on_batch=progress.update
            )
        self._tell(result, options)

    def _tell(self, result: RetentionResult, options: dict[str, Any]) -> None:
        document = {
            "dry_run": options["dry_run"],
            "cutoff": result.cutoff.isoformat(),
            "retention_days": result.retention_days,
            "deleted_usage": result.deleted_usage,
            "deleted_series": result.deleted_series,
            "dropped_tables": list(result.dropped_tables),
            "complete": result.is_complete,
            "skipped": result.skipped,
        }
        self.print_result(document, facts(document), options)
        self.end(0 if result.is_complete else FOUND, "The time was up before everything was deleted; run it again.")
