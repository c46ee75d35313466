"""`metering_reprice`: past rows by the prices in force at their time, with a trail of every change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.management.options import add_dry_run, add_selection, selection_of
from agentcore_metering.adapters.django.management.output import OperatorCommand
from agentcore_metering.adapters.django.persistence.repricing import Plan, RepriceSummary, reprice
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import PriceBook


class Command(OperatorCommand):
    """Compute the costs of past rows from their usage and the price in force when each call was sent."""

    help = (
        "Price past rows anew. Costs that a provider reported stay, and so does a cost that nothing prices now. Every change leaves "
        "a row in LLMCostChange. Running it again changes nothing more; a run that was stopped is resumed by running it again."
    )
    statuses = {0: "every row of the period is looked at", 2: "wrong options, or the database cannot be used"}

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        add_selection(parser, is_from_required=True)
        add_dry_run(parser)
        parser.add_argument("--include-provider", action="store_true", help="also replace what a provider reported")
        parser.add_argument("--reason", default="metering_reprice", help="kept in the trail of each change")

    def handle(self, *args: Any, **options: Any) -> None:
        """Price the rows, and say what that changed."""
        operator = OperatorPrices()
        operator.refresh()
        plan = Plan(options["reason"], includes_reported=options["include_provider"], is_dry_run=options["dry_run"])
        using, selection = metering_settings.DATABASE_ALIAS, selection_of(options)
        prices = PriceBook([operator, PriceMap()])
        with self.progress("rows", options, lambda: selection.count(using)) as progress:
            summary = reprice(prices, selection, plan, using, lambda done: progress.update(sum(done.counts.values())))
        facts = _as_json(summary, is_dry_run=options["dry_run"])
        self.print_result(facts, _lines(facts), options)


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in facts["rows"].items()) or "no rows"
    yield f"{'Would be: ' if facts['dry_run'] else ''}{counts}"
    for currency, totals in facts["totals"].items():
        yield f"{currency}: {totals['before']} -> {totals['after']}"


def _as_json(summary: RepriceSummary, *, is_dry_run: bool) -> dict[str, Any]:
    currencies = sorted(summary.before.keys() | summary.after.keys())
    return {
        "dry_run": is_dry_run,
        "rows": dict(sorted(summary.counts.items())),
        "totals": {
            currency: {"before": f"{summary.before[currency]:.12f}", "after": f"{summary.after[currency]:.12f}"}
            for currency in currencies
        },
    }
