"""Four bugs that a side-channel is likely to have, each planted into a process of a run: a check that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from agentcore_metering.adapters.django.persistence.journal import DjangoRowStore
from agentcore_metering.core.ids import uuid7
from agentcore_metering.core.types import AttemptRecord
from tests.delivery.worker import acknowledge_before_commit, adopt_without_lock, keep_the_parents_journal, plant

__all__ = ["BUGS"]


def replay_with_a_new_id() -> None:
    """What an insert without an idempotent key amounts to."""
    write = DjangoRowStore.write

    def write_anew(store: DjangoRowStore, records: Sequence[AttemptRecord]) -> None:
        write(store, [replace(record, id=uuid7()) for record in records])

    plant(DjangoRowStore, "write", write_anew)


BUGS: dict[str, Callable[[], None]] = {
    "acknowledge before commit": acknowledge_before_commit,
    "replay with a new id": replay_with_a_new_id,
    "adopt without lock": adopt_without_lock,
    "no reset after fork": keep_the_parents_journal,
}
