"""`metering_audit_costs`: the proof that every stored cost follows from its own row."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.management.options import add_selection, selection_of
from agentcore_metering.adapters.django.persistence.repricing import audit


class Command(BaseCommand):
    """Compute each cost again from the usage and the prices in its row; exit with 1 where one differs."""

    help = "Compute every stored cost again from its row alone, and exit with 1 where one differs."

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        add_selection(parser, is_from_required=False)
        parser.add_argument(
            "--strict", action="store_true", help="exit with 1 also where an older row has no prices to compute from"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was found."""
        summary = audit(selection_of(options), metering_settings.DATABASE_ALIAS)
        differences = [
            {"id": row_id, "stored": f"{stored:.12f}", "computed": None if computed is None else f"{computed:.12f}"}
            for row_id, stored, computed in summary.differences
        ]
        counts = dict(sorted(summary.counts.items()))
        if options["json"]:
            self.stdout.write(json.dumps({"rows": counts, "differences": differences}, indent=2))
        else:
            self.stdout.write(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "no rows")
            for difference in differences:
                self.stdout.write(
                    f"{difference['id']}: stored {difference['stored']}, computed {difference['computed']}"
                )
        if summary.counts["different"] or (options["strict"] and summary.counts["without_prices"]):
            sys.exit(1)
