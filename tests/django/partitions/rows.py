"""Rows whose ids are times, as calls leave them, and what is compared before and after."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.partitions.months import first_id
from agentcore_metering.adapters.django.rollups.statements import rows_of
from agentcore_metering.adapters.django.stats.cube import CubeQuery, cube_rows
from tests.django.factories import make_usage


def id_at(moment: datetime) -> UUID:
    return UUID(int=first_id(moment).int | uuid4().int & (1 << 80) - 1)


def add(at: datetime, *, took: timedelta = timedelta(seconds=1), **fields: Any) -> LLMUsage:
    """A row whose attempt began at `at`."""
    return make_usage(
        **{"id": id_at(at), "started_at": at, "created_at": at + took, "cost": "0.000000000001", **fields}
    )


def table_of(row: LLMUsage) -> str:
    """Where a row lies."""
    found = rows_of("default", "SELECT tableoid::regclass::text FROM llm_tracker_usage WHERE id = %s", [row.id])
    return str(found[0][0])


def figures() -> list[Any]:
    names = [(), ("model",), ("model", "error_type"), ("node_name",), ("source_type",), ("user_id",)]
    return [sorted(cube_rows(CubeQuery(group, has_histograms=True), "default"), key=repr) for group in names]
