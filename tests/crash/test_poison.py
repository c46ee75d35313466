"""Thirty shapes of records that a database may refuse, at every position of a batch: each of the others gets its row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.journal import DjangoRowStore, JournalSink
from agentcore_metering.core.types import AttemptRecord, Cost, CostSource, CostStatus, Failure, FailureKind
from tests.delivery.builders import make_record
from tests.django.persistence.test_journal import POISON
from tests.fakes import make_target

pytestmark = pytest.mark.django_db(transaction=True)

Spoil = Callable[[AttemptRecord], AttemptRecord]

SOON_S = 30.0
BATCH = 5


def context(**changes: Any) -> Spoil:
    return lambda record: replace(record, context=replace(record.context, **changes))


def target(**changes: Any) -> Spoil:
    return lambda record: replace(record, target=make_target(**changes))


def facts(**changes: Any) -> Spoil:
    return lambda record: replace(record, facts=replace(record.facts, **changes))


def failed(message: str) -> Spoil:
    return lambda record: replace(record, failure=Failure(FailureKind.UNKNOWN, "E" * 500, message))


def costs(amount: str, currency: str = "USD") -> Spoil:
    return lambda record: replace(
        record, cost=Cost(Decimal(amount), currency, CostSource.PROVIDER), cost_status=CostStatus.PRICED
    )


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"in": inner}
    return inner


SHAPES: dict[str, Spoil] = {
    **POISON,
    "a user who does not exist": context(user_id=987_654_321),
    "a user that is no key": context(user_id="nobody"),
    "a user beyond the key's type": context(user_id=2**70),
    "a user with a NUL": context(user_id="7\x00"),
    "a node of 10,000 characters": context(node_name="n" * 10_000),
    "a node with NULs": context(node_name="\x00a\x00"),
    "a source with a half surrogate": context(source_type="\udfff"),
    "metadata with NULs": context(metadata={"\x00": "\x00", "a": ["\x00", {"b": "\x00"}]}),
    "metadata of a megabyte": context(metadata={"text": "x" * 2**20}),
    "metadata nested 2,000 deep": context(metadata={"deep": nested(2_000)}),
    "metadata with figures that JSON has not": context(metadata={"a": float("nan"), "b": float("inf")}),
    "metadata of objects": context(metadata={"a": object(), "b": {1, 2}, "c": b"\xff"}),
    "a model of 1,000 characters": target(litellm_model="m" * 1_000, request_model="m" * 1_000),
    "a provider with a NUL": target(provider="open\x00ai"),
    "a response id of 5,000 characters": facts(response_id="r" * 5_000),
    "a finish reason with a half surrogate": facts(finish_reason="\ud83d"),
    "a failure of a megabyte": failed("no " * 350_000),
    "a failure with NULs": failed("\x00no\x00"),
    "a negative cost beyond the column": costs("-1e20"),
    "a currency of 50 characters": costs("1", "X" * 50),
    "a start in the year 1": lambda record: replace(record, started_at=datetime(1, 1, 1, tzinfo=UTC)),
    "an end behind all years": lambda record: replace(
        record, started_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), duration_s=10.0
    ),
}


def test_there_are_thirty_shapes() -> None:
    assert len(SHAPES) >= 30


@pytest.mark.parametrize("spoil", SHAPES.values(), ids=SHAPES)
def test_poison_costs_no_other_record_its_row(tmp_path: Path, spoil: Spoil) -> None:
    """Through journal and writer, as in a process: the poison itself gets a row, or is kept aside with the reason."""
    sink = JournalSink(tmp_path, "default")
    good = []
    for position in range(BATCH):
        for number in range(BATCH):
            record = make_record(f"{position} {number}")
            if number == position:
                record = spoil(record)
            else:
                good.append(record.id)
            sink.attempt_ended(record)

    assert sink.flush(SOON_S)
    stats = sink.stats()
    sink.close()

    assert LLMUsage.objects.filter(id__in=good).count() == len(good)
    assert LLMUsage.objects.count() + stats.quarantined == BATCH * BATCH
    assert stats.dropped == stats.unreadable_lines == 0


def test_batch_written_as_it_is_loses_all_of_its_rows() -> None:
    """The control: why a batch with one bad record must be taken apart."""
    batch = [make_record() for _ in range(BATCH)]
    batch[2] = SHAPES["a token count of 70 bits"](batch[2])

    with pytest.raises(Exception, match=r"."):
        DjangoRowStore("default").write(batch)

    assert LLMUsage.objects.count() == 0
