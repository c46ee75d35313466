"""Many rows by one statement are the rows that one by one would have been made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.bulk import insert_new
from agentcore_metering.adapters.django.persistence.rows import usage_row
from tests.delivery.builders import make_full_record, make_record
from tests.django.builders import make_user

pytestmark = pytest.mark.django_db


def test_rows_are_the_same_as_one_by_one() -> None:
    user = make_user()
    full = replace(make_full_record(), failure=None)
    full = replace(full, context=replace(full.context, user_id=user.pk))
    records = [full, make_record(), make_record("of a user who is gone", context=replace(full.context, user_id=987))]

    for record in records:
        usage_row(record).save(force_insert=True)
    one_by_one = columns()
    LLMUsage.objects.all().delete()
    insert_new([usage_row(record) for record in records], "default")

    assert columns() == one_by_one
    assert not LLMUsage.objects.filter(recorded_at=None).exists()


def columns() -> list[dict[str, Any]]:
    """Everything but when the database got it."""
    rows: list[dict[str, Any]] = [dict(row) for row in LLMUsage.objects.order_by("id").values()]
    return [row | {"recorded_at": None} for row in rows]


def test_rows_that_are_there_are_left_alone() -> None:
    records = [make_record(str(number)) for number in range(3)]
    insert_new([usage_row(record) for record in records[:2]], "default")
    LLMUsage.objects.update(node_name="corrected by hand")

    insert_new([usage_row(record) for record in records], "default")

    assert LLMUsage.objects.filter(node_name="corrected by hand").count() == 2
    assert LLMUsage.objects.count() == 3


def test_batch_takes_one_statement_with_a_value_a_column() -> None:
    rows = [usage_row(make_record(str(number))) for number in range(200)]

    with CaptureQueriesContext(connection) as queries:
        insert_new(rows, "default")

    inserts = [query for query in queries if query["sql"].startswith("INSERT")]
    if connection.vendor == "postgresql":
        assert len(inserts) == 1
        assert inserts[0]["sql"].count("::varchar[]") > 1
    assert LLMUsage.objects.count() == 200
