"""`metering_partition`: divide the usage table by months, look after its partitions, or put it together again. PostgreSQL alone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connections
from django.utils import timezone

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.management.options import add_dry_run, positive
from agentcore_metering.adapters.django.management.output import COULD_NOT, FOUND, OperatorCommand, table
from agentcore_metering.adapters.django.partitions.ddl import Busy
from agentcore_metering.adapters.django.partitions.division import (
    Change,
    RandomIds,
    count_random_ids,
    divide,
    unite,
)
from agentcore_metering.adapters.django.partitions.layout import Partition, blockers, is_partitioned, partitions
from agentcore_metering.adapters.django.partitions.months import month_table, months_from, start_of_months
from agentcore_metering.adapters.django.partitions.upkeep import MONTHS_AHEAD, keep_up, missing_months


class Command(OperatorCommand):
    """Divide the usage table, or undo it."""

    help = (
        "Divide the usage table of PostgreSQL into one table a month, which retention drops whole; run again, make the tables of the "
        "months to come."
    )
    statuses = {
        0: "the table lies as it was asked for",
        1: "it cannot be divided: the reasons are told",
        2: "wrong options, another process or an open transaction is in the way, or the database cannot be used",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument(
            "--ahead",
            type=positive,
            default=MONTHS_AHEAD,
            metavar="N",
            help="months to come that have a table (default: %(default)s)",
        )
        parser.add_argument(
            "--move-random-ids",
            action="store_true",
            help="move however many rows have random ids, of an older release, while the table is locked",
        )
        mode = parser.add_mutually_exclusive_group()
        add_dry_run(mode)
        mode.add_argument("--undo", action="store_true", help="make it one table again, by copying all rows")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say on stdout how the table lies now."""
        using = metering_settings.DATABASE_ALIAS
        if connections[using].vendor != "postgresql":
            raise CommandError(
                f"Partitions are made on PostgreSQL, and this is {connections[using].vendor}.", returncode=FOUND
            )
        try:
            change, todo = self._change(using, options)
        except Busy as exc:
            raise CommandError(f"Nothing was changed: {exc}. Run it again later.", returncode=COULD_NOT) from exc
        except RandomIds as exc:
            raise CommandError(f"Nothing was changed: {exc}.", returncode=FOUND) from exc
        self._tell(using, change, todo, options)

    def _change(self, using: str, options: dict[str, Any]) -> tuple[Change, list[str]]:
        """What was done, and the tables that were made or, in a dry run, would be."""
        now, ahead = timezone.now(), options["ahead"]
        if options["undo"]:
            return unite(using), []
        if is_partitioned(using):
            if options["dry_run"]:
                return Change(), [month_table(month) for month in missing_months(partitions(using), now, ahead)]
            return Change(), keep_up(using, now, ahead)
        if reasons := blockers(using):
            raise CommandError(f"The usage table cannot be divided: {'; '.join(reasons)}.", returncode=FOUND)
        todo = [month_table(month) for month in months_from(start_of_months(now), ahead)]
        if options["dry_run"]:
            return Change(moved_rows=count_random_ids(using, now)), todo
        return divide(using, now=now, months=ahead, moves_any=options["move_random_ids"]), todo

    def _tell(self, using: str, change: Change, todo: list[str], options: dict[str, Any]) -> None:
        tables = partitions(using)
        document = {
            "dry_run": options["dry_run"],
            "is_partitioned": bool(tables),
            "new_tables": todo,
            "moved_rows": change.moved_rows,
            "locked_ms": round(change.locked_s * 1000, 1),
            "tables": [
                {
                    "name": one.name,
                    "from": None if one.month is None else one.month.isoformat(),
                    "estimated_rows": one.estimated_rows,
                    "size_bytes": one.size_bytes,
                }
                for one in tables
            ],
        }
        lines = [
            f"new tables  {', '.join(todo) or 'none'}",
            f"moved rows  {change.moved_rows}",
            f"locked      {change.locked_s * 1000:.1f} ms",
            *self._table(tables),
        ]
        self.print_result(document, lines, options)

    @staticmethod
    def _table(tables: list[Partition]) -> list[str]:
        rows = [(one.name, f"{one.estimated_rows} rows", f"{one.size_bytes} bytes") for one in tables]
        return table(rows) if rows else ["one table"]
