"""`metering_cleanup`: delete usage that is older than the retention policy keeps; for cron, where there is no Celery."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from agentcore_metering.adapters.django.management.options import positive
from agentcore_metering.adapters.django.management.output import OperatorCommand, seconds
from agentcore_metering.adapters.django.retention import DEFAULT_BATCH_SIZE, apply_retention


class Command(OperatorCommand):
    """Apply the retention policy once."""

    help = (
        "Delete usage rows that are older than the retention policy (metering-config/ or AGENTCORE_METERING_RETENTION_DAYS) keeps, "
        "in small transactions. Exit status: 0 all of it is done, or the policy says that nothing is deleted; 1 the time was up."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument(
            "--retention-days", type=positive, help="keep this many days, whatever the policy says, even if it is off"
        )
        parser.add_argument(
            "--batch-size",
            type=positive,
            default=DEFAULT_BATCH_SIZE,
            help="rows in one transaction (default %(default)s)",
        )
        parser.add_argument(
            "--timeout", type=seconds, metavar="S", help="begin no further transaction after S seconds (default: never)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete, and say what went."""
        result = apply_retention(
            options["retention_days"], batch_size=options["batch_size"], budget_s=options["timeout"]
        )
        document = {
            "cutoff": result.cutoff.isoformat(),
            "retention_days": result.retention_days,
            "deleted_usage": result.deleted_usage,
            "deleted_series": result.deleted_series,
            "dropped_tables": list(result.dropped_tables),
            "complete": result.is_complete,
            "skipped": result.skipped,
        }
        self.print_result(document, [f"{name}: {value}" for name, value in document.items()], options)
        self.end(0 if result.is_complete else 1, "The time was up before everything was deleted; run it again.")
