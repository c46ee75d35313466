"""`metering_rollup`: sum closed buckets up, prove that they say what the rows say, or make them anew."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.management.options import moment
from agentcore_metering.adapters.django.management.output import OperatorCommand
from agentcore_metering.adapters.django.rollups.refresh import RefreshSummary, preview, rebuild, refresh
from agentcore_metering.adapters.django.rollups.verify import VerifySummary, verify

DIFFERENT = 1
BUSY = 2


class Command(OperatorCommand):
    """Bring the rollups up to date, or verify them."""

    help = (
        "Sum up the hours that have closed, and those whose rows have changed since. Figures are right without it, and slower. "
        "Exit status: 0, 1 where --verify finds a difference, 2 where another process is at it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument("--from", dest="start", type=moment, help="first moment, ISO 8601 (default: the beginning)")
        parser.add_argument("--to", dest="end", type=moment, help="first moment after the last (default: now)")
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--dry-run", action="store_true", help="change nothing, only say what there is to do")
        mode.add_argument("--verify", action="store_true", help="change nothing, compare every bucket with its rows")
        mode.add_argument(
            "--rebuild",
            action="store_true",
            help="sum everything up anew, or what lies between --from and --to: after rows came or went behind the triggers' back",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say on stdout what was done."""
        using = metering_settings.DATABASE_ALIAS
        stretch = {"start": options["start"], "end": options["end"]}
        if options["verify"]:
            self._tell_differences(verify(using, **stretch), options)
            return
        if options["rebuild"]:
            rebuild(using, **stretch)
        summary = preview(using, **stretch) if options["dry_run"] else refresh(using, **stretch)
        self._tell(summary, options)

    def _tell(self, summary: RefreshSummary, options: dict[str, Any]) -> None:
        if not summary.is_supported:
            raise CommandError("Rollups are made on PostgreSQL and SQLite; figures come from the rows here.")
        document = {key: value for key, value in asdict(summary).items() if key != "is_supported"}
        lines = [
            f"covered    {summary.covered_hours} hours",
            f"summed up  {summary.refreshed_hours} hours",
            f"left       {summary.remaining_hours} hours",
        ]
        self.print_result({"dry_run": options["dry_run"], **document}, lines, options)
        self.end(BUSY if summary.is_busy else 0, "Another process refreshes the rollups.")

    def _tell_differences(self, summary: VerifySummary, options: dict[str, Any]) -> None:
        named = [
            {"table": found.table, "grain": found.grain.name.lower(), "bucket": found.bucket.isoformat()}
            for found in summary.differences
        ]
        lines = [f"{item['table']}: {item['grain']} {item['bucket']} differs from its rows" for item in named]
        lines.append(f"{summary.buckets} buckets compared, {len(named)} differ")
        self.print_result({"buckets": summary.buckets, "differences": named}, lines, options)
        self.end(
            DIFFERENT if named else 0,
            f"{len(named)} buckets differ from their rows; metering_rollup --rebuild makes them anew.",
        )
