"""Costs that no database rounds.

PostgreSQL and MySQL widen numeric(18,12) to numeric(24,12), which rewrites no row and which the older code still writes. SQLite, whose
decimals are floats, gets whole pico-units: the values are converted while the column still has its old type, in either direction.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import agentcore_metering.adapters.django.fields

COLUMNS = (("LLMUsage", "cost"), ("LLMUsageSeries", "total_cost"))


def to_pico(amount: float | str) -> int:
    return int(
        Decimal(repr(amount) if isinstance(amount, float) else amount)
        .quantize(Decimal("1e-12"), ROUND_HALF_EVEN)
        .scaleb(12)
    )


def from_pico(pico: int) -> float:
    return float(Decimal(pico).scaleb(-12))


def convert(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor, function: Callable[[Any], Any]) -> None:
    connection = schema_editor.connection
    if connection.vendor != "sqlite":
        return
    name = "agentcore_metering_convert"
    connection.connection.create_function(name, 1, function, deterministic=True)
    for model_name, column in COLUMNS:
        table = apps.get_model("agentcore_metering", model_name)._meta.db_table
        # Table and columns are the constants above.
        update = f'UPDATE "{table}" SET "{column}" = {name}("{column}") WHERE "{column}" IS NOT NULL'  # noqa: S608
        schema_editor.execute(update, None)
    connection.connection.create_function(name, 1, None)


def forwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    convert(apps, schema_editor, to_pico)


def backwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    convert(apps, schema_editor, from_pico)


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0020_llmconfig_fallback")]

    operations = [
        migrations.RunPython(forwards, backwards),
        migrations.AlterField(
            model_name="llmusage",
            name="cost",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                default=None,
                help_text="In the row's currency; empty is unknown, which is not zero.",
                null=True,
                verbose_name="cost",
            ),
        ),
        migrations.AlterField(
            model_name="llmusageseries",
            name="total_cost",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True, help_text="In the series' currency; empty is unknown.", null=True, verbose_name="cost"
            ),
        ),
    ]
