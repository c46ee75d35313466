"""Whatever a host's transaction does around a call, its row is stored by the journal; written in that transaction, it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.journal import JournalSink
from agentcore_metering.adapters.django.persistence.rows import write_rows
from agentcore_metering.core.ids import uuid7
from agentcore_metering.core.types import AttemptRecord
from tests.crash.shapes import ALL_SHAPES, Shape

pytestmark = pytest.mark.django_db(transaction=True)

TIMES = 10
SOON_S = 20.0


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[JournalSink]:
    made = JournalSink(tmp_path, "default")
    yield made
    made.close()


@pytest.mark.parametrize("shape", ALL_SHAPES)
def test_journal_stores_every_row(sink: JournalSink, shape: Shape) -> None:
    for _ in range(TIMES):
        shape(lambda record: sink.attempt_ended(anew(record)))

    assert sink.flush(SOON_S)
    assert LLMUsage.objects.count() == TIMES


@pytest.mark.parametrize("shape", ALL_SHAPES)
def test_insert_in_the_callers_transaction_loses_them(shape: Shape) -> None:
    def naive(record: AttemptRecord) -> None:
        with suppress(Exception):
            write_rows([anew(record)], "default")

    for _ in range(TIMES):
        shape(naive)

    assert LLMUsage.objects.count() == 0


def anew(record: AttemptRecord) -> AttemptRecord:
    return replace(record, id=uuid7())
