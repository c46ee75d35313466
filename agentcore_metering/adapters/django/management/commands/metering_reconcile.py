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
from agentcore_metering.adapters.django.management.options import moment
from agentcore_metering.adapters.django.management.output import OperatorCommand, table
from agentcore_metering.adapters.django.reconcile import (
    Hours,
    MetricsEngine,
    MetricsUnavailable,
    Reconciliation,
    reconcile,
)

DIFFER, UNAVAILABLE = 1, 2


class Command(OperatorCommand):
    """Compare hours that are over, by model and currency, and name the likely cause of a difference."""

    help = (
        "Compare the rows of whole hours with the counters in Prometheus, by model and currency, and with the rollups. Exit status: 0 "
        "they agree within the tolerance (rollups exactly), 1 they differ, 2 Prometheus cannot be asked. Nothing is changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument(
            "--hours", type=_count, default=24, help="the last so many hours that are over (default 24)"
        )
        parser.add_argument("--from", dest="start", type=moment, help="first hour instead, ISO 8601; with --to")
        parser.add_argument("--to", dest="end", type=moment, help="first hour after the last")
        parser.add_argument(
            "--tolerance", type=_part, default=Decimal("0.01"), help="part that may differ (default 0.01: 1 %%)"
        )
        parser.add_argument("--service", help="service.name of the processes; all, where it is left out")
        parser.add_argument("--url", help="Prometheus' address; AGENTCORE_METERING_PROMETHEUS_URL where it is left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare and tell."""
        url = options["url"] or metering_settings.PROMETHEUS_URL
        if url is None:
            raise CommandError("Name Prometheus' address by --url or AGENTCORE_METERING_PROMETHEUS_URL.", returncode=2)
        try:
            found = reconcile(MetricsEngine(url), _hours(options), options["service"], options["tolerance"])
        except MetricsUnavailable as error:
            raise CommandError(str(error), returncode=UNAVAILABLE) from error
        self.print_result(found.as_document(), _lines(found), options)
        self.end(0 if found.agrees else DIFFER, _verdict(found))


def _verdict(found: Reconciliation) -> str:
    differing = len(found.rollups.differences)
    rollups = f"; {differing} buckets of rollups differ, see metering_rollup --verify" if differing else ""
    return f"{len(found.beyond)} figures differ by more than {found.tolerance}{rollups}"


def _hours(options: dict[str, Any]) -> Hours:
    start, end = options["start"], options["end"]
    if (start is None) != (end is None):
        raise CommandError("--from and --to belong together.", returncode=2)
    if start is None:
        return Hours.last(options["hours"], timezone.now())
    hours = Hours(_whole_hour(start), _whole_hour(end))
    if hours.start >= hours.end:
        raise CommandError("--to must be at least an hour after --from.", returncode=2)
    return hours


def _whole_hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


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
