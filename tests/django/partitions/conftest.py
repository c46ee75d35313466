from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from agentcore_metering.adapters.django.partitions import ddl
from agentcore_metering.adapters.django.rollups.triggers import ADVISORY_CLASS


@pytest.fixture
def postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL (DATABASE_URL names one)")


@pytest.fixture
def division_at_work() -> Iterator[None]:
    """Another connection divides the table."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [ADVISORY_CLASS, ddl._SLOT])
        yield
        with other.cursor() as cursor:
            # The server takes its time to see that a connection is closed.
            cursor.execute("SELECT pg_advisory_unlock_all()")
    finally:
        other.close()
