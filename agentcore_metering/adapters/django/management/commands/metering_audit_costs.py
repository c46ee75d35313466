"""`metering_audit_costs`: the proof that every stored cost follows from its own row."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.management.options import add_selection, selection_of
from agentcore_metering.adapters.django.management.output import FOUND, OperatorCommand
from agentcore_metering.adapters.django.persistence.cost_audit import AuditSummary, audit


class Command(OperatorCommand):
    """Compute each cost again from the usage and the prices in its row."""

    help = "Prove every stored cost: compute it again from its row alone, and name the rows where it differs. Nothing is changed."
    statuses = {
        0: "every cost follows from its row",
        1: "one differs, or with --strict has no prices to compute it from",
        2: "wrong options, or the database cannot be used",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        add_selection(parser, is_from_required=False)
        parser.add_argument(
            "--strict", action="store_true", help="also fail where an older row has no prices to compute from"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was found."""
        using, selection = metering_settings.DATABASE_ALIAS, selection_of(options)
        with self.progress("rows", options, lambda: selection.count(using)) as progress:
            summary = audit(selection, using, lambda done: progress.update(sum(done.counts.values())))
        document = _document(summary)
        lines = [", ".join(f"{count} {outcome}" for outcome, count in document["rows"].items()) or "no rows"]
        lines += [
            f"{each['id']}: stored {each['stored']}, computed {each['computed']}" for each in document["differences"]
        ]
        self.print_result(document, lines, options)
        different, unproved = summary.counts["different"], summary.counts["without_prices"] if options["strict"] else 0
        self.end(
            FOUND if different or unproved else 0,
            f"{different} costs differ from what their rows say, {unproved} have no prices to compute them from",
        )


def _document(summary: AuditSummary) -> dict[str, Any]:
    return {
        "rows": dict(sorted(summary.counts.items())),
        "differences": [
            {"id": row_id, "stored": f"{stored:.12f}", "computed": None if computed is None else f"{computed:.12f}"}
            for row_id, stored, computed in summary.differences
        ],
    }
