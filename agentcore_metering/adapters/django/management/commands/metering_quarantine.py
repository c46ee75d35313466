"""`metering_quarantine`: the records that the database refused for good, and their second chance."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.management.output import COULD_NOT, FOUND, OperatorCommand, facts, table
from agentcore_metering.adapters.django.persistence.journal import DjangoRowStore
from agentcore_metering.adapters.django.persistence.modes import spool_directory
from agentcore_metering.delivery.quarantine import QuarantinedRecord, read_quarantine
from agentcore_metering.delivery.replay import replay_quarantine
from agentcore_metering.delivery.store import StoreUnavailable

ERROR_CHARACTERS = 80


class Command(OperatorCommand):
    """List the quarantined records, or give them to the database again."""

    help = (
        "list: show the usage records that the database refused even after a repair. replay: give them to it again, once the cause "
        "was mended; what is refused again stays. A replay may be stopped and repeated: no record is lost and none gets two rows."
    )
    statuses = {
        0: "the list is printed; no record is left",
        1: "some were refused again or cannot be read",
        2: "wrong options, or the database is away",
    }

    def add_arguments(self, parser: CommandParser) -> None:
        """See `help`."""
        super().add_arguments(parser)
        parser.add_argument("action", choices=("list", "replay"))

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked for."""
        if options["action"] == "list":
            self._list(options)
        else:
            self._replay(options)

    def _list(self, options: dict[str, Any]) -> None:
        found = [_document(item) for item in read_quarantine(spool_directory())]
        rows = [
            (item["at"], item["id"], item["model"], item["status"], str(item["error"])[:ERROR_CHARACTERS])
            for item in found
        ]
        lines = (
            table([("refused at", "id", "model", "status", "error"), *rows]) if rows else ["No record is quarantined."]
        )
        self.print_result(found, lines, options)

    def _replay(self, options: dict[str, Any]) -> None:
        try:
            report = replay_quarantine(spool_directory(), DjangoRowStore(metering_settings.DATABASE_ALIAS))
        except StoreUnavailable as exc:
            raise CommandError(f"All records are still in quarantine: {exc}", returncode=COULD_NOT) from exc
        except OSError as exc:
            raise CommandError(f"All records are still in quarantine: {exc}", returncode=FOUND) from exc
        document = {"stored": report.stored, "kept": report.kept, "unreadable": report.unreadable}
        self.print_result(document, facts(document), options)
        left = report.kept + report.unreadable
        self.end(FOUND if left else 0, f"{left} records are still in quarantine: metering_quarantine list says why")


def _document(item: QuarantinedRecord) -> dict[str, Any]:
    record = item.record
    return {
        "at": item.at.isoformat() if item.at else None,
        "id": str(record.id) if record else None,
        "call_id": str(record.call_id) if record else None,
        "model": record.target.request_model if record else None,
        "status": record.status.value if record else None,
        "ended_at": record.ended_at.isoformat() if record else None,
        "error": item.error,
    }
