"""Owns what is told of a half-migrated database: a check, and the refusal to migrate it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.management.base import CommandError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

__all__ = ["REFERENCE_MIGRATIONS", "check_migration_history", "partial_history", "refuse_partial_history"]

APP_LABEL = "agentcore_metering"

REFERENCE_MIGRATIONS = (
    "0001_initial",
    "0002_add_llm_config",
    "0003_llm_config_single_config",
    "0004_add_llm_usage_cost_usd",
    "0005_cost_and_currency",
    "0006_llm_config_list_and_strategy",
    "0007_remove_modelstrategy",
    "0008_llmconfig_add_uuid",
    "0009_rename_llm_track_user_created_idx_llm_tracker_user_id_5800dd_idx_and_more",
    "0010_remove_llmconfig_order",
    "0011_llmconfig_is_default",
    "0012_alter_llmconfig_options_alter_llmconfig_is_default",
    "0013_llmusage_started_at",
    "0014_alter_llmusage_created_at_alter_llmusage_started_at",
    "0015_llmusage_is_streaming_first_chunk_at",
    "0016_llmusageseries",
    "0017_meteringconfig",
    "0018_alter_llmusageseries_options_and_more",
)
"""What our first migration replaces. Django can use it on a database that has all of these or none."""


def partial_history(connection: BaseDatabaseWrapper) -> tuple[str, ...]:
    """The replaced migrations that are missing, or () where all or none of them are applied."""
    applied = {name for label, name in MigrationRecorder(connection).applied_migrations() if label == APP_LABEL}
    missing = tuple(name for name in REFERENCE_MIGRATIONS if name not in applied)
    return missing if len(missing) < len(REFERENCE_MIGRATIONS) else ()


def _explain(alias: str, missing: Sequence[str]) -> tuple[str, str]:
    message = (
        f"The database '{alias}' has a part of the migrations of agentcore_metering that 0001 stands for; "
        f"{len(missing)} are missing, the first of them {missing[0]}."
    )
    hint = (
        "Install the package that made this database (agentcore-metering 0.3.2 or git), run 'migrate agentcore_metering' to "
        f"{REFERENCE_MIGRATIONS[-1]}, then install this one again."
    )
    return message, hint


def check_migration_history(databases: Sequence[str] | None, **_kwargs: Any) -> list[CheckMessage]:
    """E001 for a half-migrated database.

    A check, because `migrate` runs it before it builds its graph, which would fail with a text that explains nothing.
    """
    errors: list[CheckMessage] = []
    for alias in databases or ():
        missing = partial_history(connections[alias])
        if missing:
            message, hint = _explain(alias, missing)
            errors.append(Error(message, hint=hint, id="agentcore_metering.E001"))
    return errors


def refuse_partial_history(sender: AppConfig, using: str, **_kwargs: Any) -> None:
    """CommandError for a half-migrated database.

    For `call_command("migrate")`, which skips checks: where nothing depends on our migrations Django would leave them all out and
    report success.
    """
    if sender.label == APP_LABEL and (missing := partial_history(connections[using])):
        raise CommandError(" ".join(_explain(using, missing)))
