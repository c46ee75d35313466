"""`aggregate_llm_usage_series`: the aggregation task by hand or by cron, under the name that existing crontabs have."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from agentcore_metering.adapters.django.management.options import moment
from agentcore_metering.adapters.django.management.output import OperatorCommand, facts
from agentcore_metering.adapters.django.models import LLMUsageSeries
from agentcore_metering.adapters.django.tasks.aggregate import aggregate


class Command(OperatorCommand):
    """Sum up closed buckets."""

    help = (
        "Sum up the buckets that have closed or changed, as metering_rollup does, under the name and with the options of existing "
        "crontabs. Hours, days and months are summed up together."
    )
    statuses = {0: "it is done, or another process is at it", 2: "wrong options, or the database cannot be used"}

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument(
            "--granularity", choices=LLMUsageSeries.Granularity.values, default="hour", help="taken for its name's sake"
        )
        parser.add_argument(
            "--start", type=_moment_text, metavar="TIME", help="first moment, ISO 8601; only with --end"
        )
        parser.add_argument(
            "--end", type=_moment_text, metavar="TIME", help="first moment after the last; only with --start"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Aggregate, and say how many buckets."""
        result = aggregate(options["granularity"], options["start"], options["end"])
        self.print_result(result, facts(result), options)


def _moment_text(text: str) -> str:
    """As the task takes it, which of itself passes over what is no date."""
    return moment(text).isoformat()
