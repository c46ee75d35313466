from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from agentcore_metering.adapters.django.exports.columns import COLUMNS, ROW_KEY, columns_named
from agentcore_metering.adapters.django.exports.reading import read_batches
from agentcore_metering.adapters.django.models import LLMUsage
from tests.django.factories import NOON, make_usage, make_user

pytestmark = pytest.mark.django_db


def make_full_usage(**fields: Any) -> LLMUsage:
    """A row that has something in every column."""
    values = {
        "user": make_user(),
        "call_id": uuid4(),
        "attempt": 2,
        "operation": "chat",
        "provider": "openai",
        "response_model": "gpt-4o-mini-2024-07-18",
        "config_uuid": uuid4(),
        "node_name": "zusammenfassen \u4e2d\u6587",
        "source_type": "task",
        "status": "failed",
        "success": False,
        "error_type": "RateLimitError",
        "error": "too many requests",
        "finish_reason": "stop",
        "service_tier": "flex",
        "is_streaming": True,
        "started_at": NOON - timedelta(seconds=2),
        "first_chunk_at": NOON - timedelta(microseconds=1_000_001),
        "ended_at": NOON,
        "cached_tokens": 4,
        "cache_write_tokens": 3,
        "reasoning_tokens": 2,
        "usage_source": "provider",
        "cost": "-1234567.000000000001",
        "cost_status": "priced",
        "cost_source": "price_map",
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "usage_details": {"units": {"images": "2"}},
        "metadata": {"job": 7, "text": 'a"b\\c\n\u4e2d\x1f', "list": [1, 2.5, True, None, {"x": []}], "big": 2**70},
    }
    return make_usage(**{**values, **fields})


def read(batch_rows: int = 3) -> list[tuple[Any, ...]]:
    return [row for batch in read_batches(LLMUsage.objects.all(), COLUMNS, batch_rows=batch_rows) for row in batch]


def test_row_is_texts_numbers_and_booleans_alike_on_every_database() -> None:
    row = make_full_usage()

    values = dict(zip((column.name for column in COLUMNS), read()[0], strict=True))

    assert values == {
        **{column.name: getattr(row, column.field) for column in COLUMNS},
        "created_at": "2026-02-21T12:00:00.000000Z",
        "started_at": "2026-02-21T11:59:58.000000Z",
        "first_chunk_at": "2026-02-21T11:59:58.999999Z",
        "ended_at": "2026-02-21T12:00:00.000000Z",
        "id": str(row.id),
        "call_id": str(row.call_id),
        "config_uuid": str(row.config_uuid),
        "user_id": str(row.user_id),
        "cost_amount": "-1234567.000000000001",
        "usage_details": '{"units": {"images": "2"}}',
        "metadata": values["metadata"],
    }
    assert json.loads(values["metadata"]) == row.metadata


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL writes the texts itself")
@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_postgresql_writes_the_same_as_python(column: Any) -> None:
    make_full_usage()
    make_usage(cost="0", metadata=["x"], created_at=NOON.replace(year=1))
    make_usage(cost="999999999999.999999999999", metadata="text", created_at=NOON.replace(year=9999))

    by_sql = LLMUsage.objects.order_by("id").annotate(made=column.on_postgresql).values_list("made", flat=True)
    by_python = LLMUsage.objects.order_by("id").values_list(column.field, flat=True)

    assert list(by_sql) == [column.in_python(value) for value in by_python]


def test_row_of_older_code_has_no_values_that_it_does_not_know() -> None:
    make_usage()

    values = dict(zip((column.name for column in COLUMNS), read()[0], strict=True))

    assert [values[name] for name in ("call_id", "cost_amount", "started_at", "user_id")] == [None] * 4


@pytest.mark.parametrize("seed", range(5))
def test_batches_give_every_row_once_oldest_first(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 30)):
        make_usage(created_at=NOON + timedelta(microseconds=chance.randint(0, 3)))
    expected = [str(row_id) for row_id in LLMUsage.objects.order_by("created_at", "id").values_list("id", flat=True)]

    assert [row[1] for row in read(chance.randint(1, 7))] == expected


def test_rows_that_come_while_it_reads_do_not_keep_it_going() -> None:
    for number in range(4):
        make_usage(created_at=NOON + timedelta(seconds=number))
    seen = 0

    for batch in read_batches(LLMUsage.objects.all(), COLUMNS, batch_rows=2):
        seen += len(batch)
        make_usage(created_at=NOON + timedelta(hours=seen))

    assert seen == 4


def test_nothing_is_read_behind_the_batch_that_was_asked_for(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(6):
        make_usage(id=UUID(int=number))

    with django_assert_num_queries(2):  # the newest row, and one batch
        batches = read_batches(LLMUsage.objects.all(), COLUMNS, batch_rows=2)
        next(batches)
        batches.close()  # type: ignore[attr-defined]  # it is a generator


def test_error_of_older_code_has_its_keys_masked() -> None:
    make_usage(error="Incorrect API key provided: sk-proj-abcdefghijklmnopqrstuvwx012345")

    assert "abcdefghijkl" not in str(read())


def test_columns_without_the_key_of_a_row_are_refused() -> None:
    with pytest.raises(ValueError, match="ordered by"):
        next(read_batches(LLMUsage.objects.all(), columns_named("model", "id", "created_at")))

    assert [column.name for column in ROW_KEY] == ["created_at", "id"]
