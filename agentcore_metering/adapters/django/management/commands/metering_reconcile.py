"""`metering_reconcile`: whether the rows and the counters of the metrics tell the same, for cron and for doubts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.management.options import add_period, positive
from agentcore_metering.adapters.django.management.output import COULD_NOT, FOUND, OperatorCommand, table
from agentcore_metering.adapters.django.reconcile import (
    Hours,
    MetricsEngine,
    MetricsUnavailable,
    Reconciliation,
    reconcile,
)


class Command(OperatorCommand):
    """Compare hours that are over, by model and currency, and name the likely cause of a difference."""

    help = (
        "Say whether the rows of whole hours and the counters in Prometheus tell the same, by model and currency, and the rollups "
        "too; name the likely cause of a difference. Nothing is changed."
    )
    statuses = {
        0: "they agree within the tolerance, the rollups exactly",
        1: "they differ",
        2: "wrong options, or Prometheus or the database cannot be asked",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument(
            "--hours",
            type=positive,
            default=24,
            metavar="N",
            help="the last so many hours that are over (default: %(default)s), without --from and --to",
        )
        add_period(parser)
        parser.add_argument(
            "--tolerance",
            type=_part,
            default=Decimal("0.01"),
            metavar="PART",
            help="part that may differ (default: %(default)s, which is 1 %%)",
        )
        parser.add_argument("--service", help="service.name of the processes; all, where it is left out")
        parser.add_argument("--url", help="Prometheus' address; AGENTCORE_METERING_PROMETHEUS_URL where it is left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare and tell."""
        url = options["url"] or metering_settings.PROMETHEUS_URL
        if url is None:
            raise CommandError(
                "Name Prometheus' address by --url or AGENTCORE_METERING_PROMETHEUS_URL.", returncode=COULD_NOT
            )
        hours, engine = _hours(options), MetricsEngine(url)
        try:
            with self.progress("buckets", options) as progress:
                found = reconcile(engine, hours, options["service"], options["tolerance"], progress.update)
        except MetricsUnavailable as error:
            raise CommandError(str(error), returncode=COULD_NOT) from error
        self.print_result(found.as_document(), _lines(found), options)
        self.end(0 if found.agrees else FOUND, _verdict(found))


def _verdict(found: Reconciliation) -> str:
    differing = len(found.rollups.differences)
    rollups = f"; {differing} buckets of rollups differ, see metering_rollup --verify" if differing else ""
    return f"{len(found.beyond)} figures differ by more than {found.tolerance}{rollups}"


def _hours(options: dict[str, Any]) -> Hours:
    start, end = options["start"], options["end"]
    if (start is None) != (end is None):
        raise CommandError("--from and --to belong together.", returncode=COULD_NOT)
    if start is None:
        return Hours.last(options["hours"], timezone.now())
    hours = Hours(_whole_hour(start), _whole_hour(end))
    if hours.start >= hours.end:
        raise CommandError("--to must be at least an hour after --from.", returncode=COULD_NOT)
    return hours


def _whole_hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _part(text: str) -> Decimal:
    try:
        part = Decimal(text)
    except InvalidOperation:
        part = Decimal(-1)
    if not 0 <= part <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no part between 0 and 1, such as 0.01")
    return part


def _lines(found: Reconciliation) -> Iterator[str]:
    yield f"{found.hours.start:%Y-%m-%d %H:%M} to {found.hours.end:%Y-%m-%d %H:%M} UTC"
    if found.totals:
        yield from table(
            [
                ("figure", "model", "currency", "rows", "counters", "difference"),
                *[
                    (each.key.figure, each.key.model, each.key.currency or None, each.rows, each.counters, each.amount)
                    for each in found.totals
                ],
            ]
        )
    else:
        yield "neither rows nor counters"
    for each in found.differing_hours:
        yield f"hour {each.hour:%Y-%m-%d %H:%M}: {each.key.figure} {each.key.model} {each.key.currency}: {each.amount:+f}"
    for wrong in found.rollups.differences:
        yield f"rollup {wrong.table} by {wrong.grain.name.lower()}, {wrong.bucket:%Y-%m-%d %H:%M}: not the sum of its rows"
    yield from [f"likely cause: {cause.code}: {cause.detail}" for cause in found.causes]
