"""Spools as processes leave them, where the settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.journal import Journal
from agentcore_metering.delivery.quarantine import Quarantine
from agentcore_metering.delivery.store import RowsRejected
from agentcore_metering.delivery.throttle import LogThrottle
from tests.delivery.builders import leave_behind, make_record, without_user
from tests.fakes import FakeClock


@dataclass(frozen=True)
class Spool:
    """A directory that the settings name."""

    directory: Path

    def dead(self, count: int, age_s: float = 10.0) -> None:
        """The segments of a process that died with so many records."""
        leave_behind(self.directory, *[aged_record(age_s) for _ in range(count)])

    @contextmanager
    def living(self, count: int, age_s: float = 10.0) -> Iterator[Journal]:
        """A process that lives and has delivered none of its records."""
        journal = Journal(self.directory)
        for _ in range(count):
            journal.append_end(aged_record(age_s))
        yield journal
        journal.after_fork_in_child()

    def quarantined(self, *records: AttemptRecord) -> None:
        """Records that the database refused."""
        clock = FakeClock()
        quarantine = Quarantine(self.directory, clock, LogThrottle(clock))
        for record in records:
            quarantine.put(record, RowsRejected("value too long"))


def aged_record(age_s: float = 10.0, **changes: Any) -> AttemptRecord:
    """A record that ended so long ago, of no user."""
    started_at = datetime.now(UTC) - timedelta(seconds=age_s)
    return without_user(make_record(**{"started_at": started_at, "duration_s": 0.0, **changes}))
