"""What there is to ask for: the dimensions of usage, the measures, and which cube has which of them.

Most cubes have the dimensions of `SHARED`, whose values depend on each other so closely that they hardly multiply its cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from agentcore_metering.adapters.django.models.rollup import (
    HISTOGRAM_SIZE,
    Cell,
    ConfigRollup,
    DetailRollup,
    Grain,
    NodeRollup,
    UsageRollup,
    UserRollup,
    UserTotalRollup,
)

__all__ = ["CUBES", "DIMENSIONS", "FIRST_CHUNK_BINS", "LATENCY_BINS", "MEASURES", "OUTCOMES", "Cube", "cube_for"]

LATENCY_BINS = tuple(f"latency_{place:02d}" for place in range(HISTOGRAM_SIZE))
FIRST_CHUNK_BINS = tuple(f"first_chunk_{place:02d}" for place in range(HISTOGRAM_SIZE))

DIMENSIONS: Mapping[str, str] = {
    "model": "model",
    "response_model": "response_model",
    "provider": "provider",
    "operation": "operation",
    "cost_currency": "cost_currency",
    # A row of code that knows the older schema has no status; there `success` decides.
    "outcome": "COALESCE(status, CASE WHEN success THEN 'succeeded' ELSE 'failed' END)",
    "error_type": "error_type",
    "cost_status": "cost_status",
    "is_priced": "(cost IS NOT NULL)",
    "user_id": "user_id",
    "node_name": "node_name",
    "config_uuid": "config_uuid",
    "source_type": "source_type",
}
"""What figures can be grouped and filtered by, each with its SQL over a usage row."""

SHARED = ("model", "provider", "operation", "cost_currency", "outcome", "cost_status", "is_priced")

MEASURES: Mapping[str, str] = {
    "calls": "1",
    "logical_calls": "CASE WHEN attempt = 1 THEN 1 ELSE 0 END",
    "priced_calls": "CASE WHEN is_priced THEN 1 ELSE 0 END",
    "streams": "CASE WHEN is_streaming THEN 1 ELSE 0 END",
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
    "total_tokens": "total_tokens",
    "cached_tokens": "cached_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "cost_micro": "COALESCE(cost_micro, 0)",
    "cost_pico": "COALESCE(cost_pico, 0)",
    "timed_calls": "CASE WHEN duration_us IS NULL THEN 0 ELSE 1 END",
    "timed_tokens": "CASE WHEN duration_us IS NULL THEN 0 ELSE completion_tokens END",
    "timed_us": "COALESCE(duration_us, 0)",
    "first_chunk_calls": "CASE WHEN first_chunk_us IS NULL THEN 0 ELSE 1 END",
    "first_chunk_us": "COALESCE(first_chunk_us, 0)",
    **{name: f"CASE WHEN latency_bin = {place} THEN 1 END" for place, name in enumerate(LATENCY_BINS)},
    **{name: f"CASE WHEN first_chunk_bin = {place} THEN 1 END" for place, name in enumerate(FIRST_CHUNK_BINS)},
}
"""The columns of every cube, each with its SQL over a row of `cells.facts`; all of them are summed."""

OUTCOMES: Mapping[str, str] = {"succeeded_calls": "succeeded", "cancelled_calls": "cancelled"}
"""What is counted by outcome: a column of the cubes that do not have the outcome as a dimension."""


@dataclass(frozen=True, slots=True)
class Cube:
    """One table of cells."""

    model: type[Cell]
    dimensions: tuple[str, ...]
    """All columns that it is grouped by."""
    grains: tuple[Grain, ...]
    """From fine to coarse. An hour that is split by more than models has about as many cells as calls, so there the rows are read."""
    measures: Mapping[str, str] = field(default_factory=lambda: MEASURES)
    source: Cube | None = None
    """The cube whose cells of the same day it is summed up from; None: the rows, or its own hours."""

    @property
    def table(self) -> str:
        """Its name in the database."""
        return self.model._meta.db_table


_DAYS = (Grain.DAY, Grain.FIVE_DAYS, Grain.MONTH)
_OF_OUTCOMES = {name: f"CASE WHEN outcome = '{outcome}' THEN 1 ELSE 0 END" for name, outcome in OUTCOMES.items()}
_USERS = Cube(UserRollup, (*SHARED, "user_id"), _DAYS)

CUBES = (
    Cube(UsageRollup, SHARED, (Grain.HOUR, *_DAYS)),
    Cube(UserTotalRollup, ("cost_currency", "user_id"), _DAYS, {**MEASURES, **_OF_OUTCOMES}, source=_USERS),
    Cube(DetailRollup, (*SHARED, "response_model", "error_type"), _DAYS),
    Cube(NodeRollup, (*SHARED, "node_name"), _DAYS),
    Cube(ConfigRollup, (*SHARED, "config_uuid", "source_type"), _DAYS),
    _USERS,
)
"""The narrowest first."""


def cube_for(dimensions: Iterable[str]) -> Cube | None:
    """The narrowest cube that has all of `dimensions`; None where only the rows have them together."""
    wanted = set(dimensions)
    return next((cube for cube in CUBES if wanted <= set(cube.dimensions)), None)
