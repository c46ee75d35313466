"""`metering_reprice`: past rows by the prices in force at their time, with a trail of every change."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.prices import OperatorPrices
from agentcore_metering.adapters.django.management.options import add_selection, selection_of
from agentcore_metering.adapters.django.persistence.repricing import Plan, RepriceSummary, reprice
from agentcore_metering.core.price_map import PriceMap
from agentcore_metering.core.pricing import PriceBook


class Command(BaseCommand):
    """Compute the costs of past rows from their usage and the price in force when each call was sent."""

    help = (
        "Price past rows anew. Costs that a provider reported stay, and so does a cost that nothing prices now. Every change leaves "
        "a row in LLMCostChange. Running it again changes nothing more; a run that was stopped is resumed by running it again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        add_selection(parser, is_from_required=True)
        parser.add_argument("--dry-run", action="store_true", help="change nothing, only say what would change")
        parser.add_argument("--include-provider", action="store_true", help="also replace what a provider reported")
        parser.add_argument("--reason", default="metering_reprice", help="kept in the trail of each change")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Price the rows, with progress on stderr and totals on stdout."""
        operator = OperatorPrices()
        operator.refresh()
        plan = Plan(options["reason"], includes_reported=options["include_provider"], is_dry_run=options["dry_run"])
        summary = reprice(
            PriceBook([operator, PriceMap()]),
            selection_of(options),
            plan,
            metering_settings.DATABASE_ALIAS,
            self._report,
        )
        facts = _as_json(summary, is_dry_run=options["dry_run"])
        if options["json"]:
            self.stdout.write(json.dumps(facts, indent=2))
            return
        counts = ", ".join(f"{count} {outcome}" for outcome, count in facts["rows"].items()) or "no rows"
        self.stdout.write(f"{'Would be: ' if options['dry_run'] else ''}{counts}")
        for currency, totals in facts["totals"].items():
            self.stdout.write(f"{currency}: {totals['before']} -> {totals['after']}")

    def _report(self, summary: RepriceSummary) -> None:
        done = sum(summary.counts.values())
        until = summary.reached.isoformat() if summary.reached else ""
        self.stderr.write(f"{done} rows, {summary.counts['changed']} changed, until {until}")


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
