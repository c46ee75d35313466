"""Where there are no partitions, nobody looks for any."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from agentcore_metering.adapters.django.partitions.background import PartitionKeeper
from agentcore_metering.adapters.django.partitions.upkeep import drop_old

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL has partitions"),
]


def test_keeper_asks_nothing_and_says_nothing(
    caplog: pytest.LogCaptureFixture, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        PartitionKeeper("default")()

    assert caplog.records == []


def test_retention_has_no_months_to_drop(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert drop_old("default", datetime(2026, 1, 1, tzinfo=UTC)) == []
