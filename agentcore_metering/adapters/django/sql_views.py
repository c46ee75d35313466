"""Owns the SQL views for dashboards and reports: usage with amounts in currency units, the same by hour, and the prices that held.

They are read by people and by Grafana, never by this package. A view fixes the columns that it names, so a migration that changes the
table below one begins with `DropViews` and ends with `CreateViews`; a test holds every migration to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

__all__ = ["VERSIONS", "CreateViews", "DropViews"]

_USAGE = """
SELECT
    id,
    call_id,
    attempt,
    created_at,
    started_at,
    {duration} AS duration_s,
    {first_chunk} AS time_to_first_chunk_s,
    {user} AS user_id,
    operation,
    provider,
    COALESCE(request_model, model) AS model,
    response_model,
    config_scope,
    node_name AS node,
    source_type,
    metadata,
    COALESCE(status, CASE WHEN success THEN 'succeeded' ELSE 'failed' END) AS status,
    error_type,
    is_streaming,
    prompt_tokens AS input_tokens,
    completion_tokens AS output_tokens,
    cached_tokens AS cache_read_tokens,
    cache_write_tokens,
    reasoning_tokens,
    {cost} AS cost,
    CASE WHEN cost IS NULL THEN NULL ELSE cost_currency END AS currency,
    cost_source,
    COALESCE(cost_status, CASE WHEN cost IS NULL THEN 'unpriced' ELSE 'priced' END) AS cost_status,
    price_snapshot,
    trace_id,
    span_id,
    trace_sampled
FROM llm_tracker_usage
"""

_HOURLY = """
SELECT
    {hour} AS hour,
    model,
    provider,
    operation,
    currency,
    COUNT(*) AS attempts,
    SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS failed_attempts,
    SUM(CASE WHEN cost_status = 'unpriced' THEN 1 ELSE 0 END) AS unpriced_attempts,
    SUM(input_tokens) AS input_tokens,
    SUM(output_tokens) AS output_tokens,
    SUM(cache_read_tokens) AS cache_read_tokens,
    SUM(cache_write_tokens) AS cache_write_tokens,
    SUM(reasoning_tokens) AS reasoning_tokens,
    SUM(cost) AS cost
FROM metering_usage
GROUP BY {hour}, model, provider, operation, currency
"""

_PRICES = """
SELECT
    id,
    provider,
    model_pattern,
    currency,
    {input_price} AS input_per_1m,
    {output_price} AS output_per_1m,
    {cache_read_price} AS cache_read_per_1m,
    valid_from,
    valid_to,
    source
FROM agentcore_metering_llm_price
"""

_EXACT = {
    "cost": "cost",
    "input_price": "input_per_1m",
    "output_price": "output_per_1m",
    "cache_read_price": "cache_read_per_1m",
}
# SQLite holds whole pico-units, or REAL units in rows of the older schema; what it gives here is a float, for reading.
_FROM_PICO = {
    name: f"CASE typeof({column}) WHEN 'real' THEN {column} ELSE {column} / 1e12 END" for name, column in _EXACT.items()
}
_DIALECTS = {
    "postgresql": {
        **_EXACT,
        "duration": "CAST(EXTRACT(EPOCH FROM ended_at - started_at) AS double precision)",
        "first_chunk": "CAST(EXTRACT(EPOCH FROM first_chunk_at - started_at) AS double precision)",
        "user": "CAST(user_id AS text)",
        "hour": "date_trunc('hour', created_at, 'UTC')",
    },
    "sqlite": {
        **_FROM_PICO,
        "duration": "(julianday(ended_at) - julianday(started_at)) * 86400.0",
        "first_chunk": "(julianday(first_chunk_at) - julianday(started_at)) * 86400.0",
        "user": "CAST(user_id AS text)",
        "hour": "strftime('%Y-%m-%d %H:00:00', created_at)",
    },
    "mysql": {
        **_EXACT,
        "duration": "TIMESTAMPDIFF(MICROSECOND, started_at, ended_at) / 1e6",
        "first_chunk": "TIMESTAMPDIFF(MICROSECOND, started_at, first_chunk_at) / 1e6",
        "user": "CAST(user_id AS char)",
        "hour": "CAST(DATE_FORMAT(created_at, '%Y-%m-%d %H:00:00') AS datetime)",
    },
}

VERSIONS: dict[int, tuple[tuple[str, str], ...]] = {
    1: (("metering_usage", _USAGE), ("metering_usage_hourly", _HOURLY), ("metering_prices", _PRICES)),
}
"""Names and SELECTs by version, each before those that read it. A version that a migration has made never changes."""


class CreateViews(Operation):
    """Makes the views of a version; backwards drops them. On other databases than those of `_DIALECTS` nothing happens."""

    reduces_to_sql = True
    reversible = True

    def __init__(self, version: int) -> None:
        self.version = version

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Nothing: no model stands for a view."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Make them."""
        if self._is_meant(app_label, schema_editor):
            _create(schema_editor, self.version)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Drop them."""
        if self._is_meant(app_label, schema_editor):
            _drop(schema_editor, self.version)

    def describe(self) -> str:
        """For `migrate --plan`."""
        return f"Create the views for reports, version {self.version}"

    @property
    def migration_name_fragment(self) -> str:
        """For a migration without a name."""
        return f"views_{self.version}"

    @staticmethod
    def _is_meant(app_label: str, schema_editor: BaseDatabaseSchemaEditor) -> bool:
        from django.db import router

        connection = schema_editor.connection
        return connection.vendor in _DIALECTS and router.allow_migrate(connection.alias, app_label)


class DropViews(CreateViews):
    """Drops the views of a version; backwards makes them."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Drop them."""
        super().database_backwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Make them."""
        super().database_forwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        """For `migrate --plan`."""
        return f"Drop the views for reports, version {self.version}"


def _create(schema_editor: BaseDatabaseSchemaEditor, version: int) -> None:
    words = _DIALECTS[schema_editor.connection.vendor]
    for name, select in VERSIONS[version]:
        schema_editor.execute(f"CREATE VIEW {name} AS {select.format(**words)}", None)


def _drop(schema_editor: BaseDatabaseSchemaEditor, version: int) -> None:
    names: Iterable[str] = (name for name, _ in reversed(VERSIONS[version]))
    for name in names:
        schema_editor.execute(f"DROP VIEW {name}", None)
