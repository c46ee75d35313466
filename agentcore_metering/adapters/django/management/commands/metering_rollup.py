"""`metering_rollup`: sum closed buckets up, prove that they say what the rows say, or make them anew."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.management.options import add_dry_run, add_period
from agentcore_metering.adapters.django.management.output import COULD_NOT, FOUND, OperatorCommand
from agentcore_metering.adapters.django.rollups.refresh import RefreshSummary, preview, rebuild, refresh
from agentcore_metering.adapters.django.rollups.verify import VerifySummary, verify


class Command(OperatorCommand):
    """Bring the rollups up to date, or verify them."""

    help = (
        "Sum up the hours that have closed, and those whose rows have changed since; or prove the sums, or make them anew. Figures "
        "are right without it, and slower."
    )
    statuses = {
        0: "it is done; with --verify, every sum is that of its rows",
        1: "--verify found a difference",
        2: "wrong options, another process is at it, or the database cannot be used or has no rollups",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        add_period(parser)
        mode = parser.add_mutually_exclusive_group()
        add_dry_run(mode)
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
            with self.progress("buckets", options) as progress:
                found = verify(using, **stretch, on_stretch=progress.update)
            self._tell_differences(found, options)
        elif options["dry_run"]:
            self._tell(preview(using, **stretch), options)
        else:
            if options["rebuild"]:
                rebuild(using, **stretch)
            self._tell(self._refresh(using, options), options)

    def _refresh(self, using: str, options: dict[str, Any]) -> RefreshSummary:
        start, end = options["start"], options["end"]
        with self.progress("hours", options) as progress:

            def tell(summary: RefreshSummary) -> None:
                if progress.is_shown:
                    # What is left is asked for anew: hours that are covered are marked, and then summed up.
                    left, done = preview(using, start=start, end=end), summary.covered_hours + summary.refreshed_hours
                    progress.update(done, done + left.covered_hours + left.remaining_hours)

            return refresh(using, start=start, end=end, on_step=tell)

    def _tell(self, summary: RefreshSummary, options: dict[str, Any]) -> None:
        if not summary.is_supported:
            raise CommandError(
                "Rollups are made on PostgreSQL and SQLite; figures come from the rows here.", returncode=COULD_NOT
            )
        document = {key: value for key, value in asdict(summary).items() if key != "is_supported"}
        lines = [
            f"covered    {summary.covered_hours} hours",
            f"summed up  {summary.refreshed_hours} hours",
            f"left       {summary.remaining_hours} hours",
        ]
        self.print_result({"dry_run": options["dry_run"], **document}, lines, options)
        self.end(COULD_NOT if summary.is_busy else 0, "Another process refreshes the rollups.")

    def _tell_differences(self, summary: VerifySummary, options: dict[str, Any]) -> None:
        named = [
            {"table": found.table, "grain": found.grain.name.lower(), "bucket": found.bucket.isoformat()}
            for found in summary.differences
        ]
        lines = [f"{item['table']}: {item['grain']} {item['bucket']} differs from its rows" for item in named]
        lines.append(f"{summary.buckets} buckets compared, {len(named)} differ")
        self.print_result({"buckets": summary.buckets, "differences": named}, lines, options)
        self.end(
            FOUND if named else 0,
            f"{len(named)} buckets differ from their rows; metering_rollup --rebuild makes them anew.",
        )
