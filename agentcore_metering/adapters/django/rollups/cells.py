"""The SQL that makes cells: usage rows as a relation of facts, and sums over it or over finer cells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.models.rollup import Grain
from agentcore_metering.adapters.django.rollups.cubes import DIMENSIONS, OUTCOMES, Cube
from agentcore_metering.adapters.django.rollups.dialects import Dialect
from agentcore_metering.adapters.django.rollups.statements import execute

__all__ = ["USAGE_TABLE", "cells_of_cells", "cells_of_cube", "cells_of_rows", "facts", "insert_cells"]

USAGE_TABLE = LLMUsage._meta.db_table

_COPIED = (
    "created_at",
    "attempt",
    "is_streaming",
    "cost",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_TIMED = f"{DIMENSIONS['outcome']} = 'succeeded' AND started_at IS NOT NULL"
_STREAMED = f"{_TIMED} AND is_streaming AND first_chunk_at IS NOT NULL"


def facts(dialect: Dialect, where: str, extra: str = "", source: str = USAGE_TABLE) -> str:
    """The rows that `where` selects, as a relation that has every dimension and what `MEASURES` needs.

    `extra` are further columns, each with a comma before it; `source` is the table, or a join with it.
    """
    dimensions = ", ".join(f"{sql} AS {name}" for name, sql in DIMENSIONS.items())
    inner = (
        f"SELECT {', '.join(_COPIED)}, {dimensions}, "
        f"{dialect.micro.format('cost')} AS cost_micro, {dialect.pico.format('cost')} AS cost_pico, "
        f"CASE WHEN {_TIMED} THEN {_span(dialect, 'COALESCE(ended_at, created_at)')} END AS duration_us, "
        f"CASE WHEN {_STREAMED} THEN {_span(dialect, 'first_chunk_at')} END AS first_chunk_us{extra} "
        f"FROM {source} WHERE {where} {dialect.fence}"
    )
    bins = f"{dialect.bin('duration_us')} AS latency_bin, {dialect.bin('first_chunk_us')} AS first_chunk_bin"
    return f"(SELECT timed_rows.*, {bins} FROM ({inner}) AS timed_rows {dialect.fence})"


def cells_of_rows(dialect: Dialect, cube: Cube, grain: Grain, where: str) -> str:
    """SELECT of the cells of `cube` from the rows that `where` selects; columns as in `insert_cells`."""
    dimensions = ", ".join(cube.dimensions)
    bucket = dialect.bucket[grain].format("created_at")
    sums = ", ".join(f"SUM({sql})" for sql in cube.measures.values())
    return (
        f"SELECT {int(grain)}, {bucket}, {dimensions}, {sums} FROM {facts(dialect, where)} AS cell_facts "
        f"GROUP BY {bucket}, {dimensions}"
    )


def cells_of_cells(dialect: Dialect, cube: Cube, grain: Grain, source: Grain, where: str) -> str:
    """The same from the cells of the finer grain `source`."""
    dimensions = ", ".join(cube.dimensions)
    bucket = dialect.bucket[grain].format("bucket")
    sums = ", ".join(f"SUM({name})" for name in cube.measures)
    return (
        f"SELECT {int(grain)}, {bucket}, {dimensions}, {sums} FROM {cube.table} "
        f"WHERE grain = {int(source)} AND {where} GROUP BY {bucket}, {dimensions}"
    )


def cells_of_cube(cube: Cube, source: Cube, where: str) -> str:
    """The same from the cells of the same buckets in `source`, a cube that has the outcome as a dimension."""
    dimensions = ", ".join(cube.dimensions)
    sums = ", ".join(f"SUM({_in_cells(name)})" for name in cube.measures)
    return f"SELECT grain, bucket, {dimensions}, {sums} FROM {source.table} WHERE {where} GROUP BY grain, bucket, {dimensions}"


def insert_cells(using: str, cube: Cube, cells: str, parameters: Sequence[datetime]) -> None:
    """Run one of these SELECTs into the table of `cube`."""
    columns = ", ".join(("grain", "bucket", *cube.dimensions, *cube.measures))
    execute(using, f"INSERT INTO {cube.table} ({columns}) {cells}", parameters)


def _in_cells(measure: str) -> str:
    return f"CASE WHEN outcome = '{OUTCOMES[measure]}' THEN calls ELSE 0 END" if measure in OUTCOMES else measure


def _span(dialect: Dialect, until: str) -> str:
    """Never negative: two clocks may disagree."""
    return dialect.greatest.format("0", dialect.elapsed_us.format(since="started_at", until=until))
