"""Sums by user alone, filled from those by user and model: what they say of rows that are gone is nowhere else."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_BINS = [f"{kind}_{place:02d}" for kind in ("latency", "first_chunk") for place in range(26)]
_SUMS = [
    "calls",
    "logical_calls",
    "priced_calls",
    "streams",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_micro",
    "cost_pico",
    "timed_calls",
    "timed_tokens",
    "timed_us",
    "first_chunk_calls",
    "first_chunk_us",
    *_BINS,
]
_FILL = f"""
INSERT INTO agentcore_metering_rollup_user_total
    (grain, bucket, cost_currency, user_id, succeeded_calls, cancelled_calls, {", ".join(_SUMS)})
SELECT
    grain,
    bucket,
    cost_currency,
    user_id,
    SUM(CASE WHEN outcome = 'succeeded' THEN calls ELSE 0 END),
    SUM(CASE WHEN outcome = 'cancelled' THEN calls ELSE 0 END),
    {", ".join(f"SUM({name})" for name in _SUMS)}
FROM agentcore_metering_rollup_user
GROUP BY grain, bucket, cost_currency, user_id
"""  # noqa: S608 - names of our own


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # What is marked is summed up anew by the next refresh, here as there.
    schema_editor.execute(_FILL)


class Migration(migrations.Migration):
    dependencies = [
        ("agentcore_metering", "0150_config_change_cascade"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="UserTotalRollup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "grain",
                    models.SmallIntegerField(choices=[(1, "Hour"), (2, "Day"), (3, "Month")], verbose_name="grain"),
                ),
                ("bucket", models.DateTimeField(help_text="When the bucket begins.", verbose_name="bucket")),
                ("cost_currency", models.CharField(max_length=10, verbose_name="currency")),
                ("calls", models.BigIntegerField(verbose_name="rows")),
                ("logical_calls", models.BigIntegerField(help_text="First attempts.", verbose_name="calls")),
                ("priced_calls", models.BigIntegerField(verbose_name="priced rows")),
                ("streams", models.BigIntegerField(verbose_name="streams")),
                ("prompt_tokens", models.BigIntegerField(verbose_name="input tokens")),
                ("completion_tokens", models.BigIntegerField(verbose_name="output tokens")),
                ("total_tokens", models.BigIntegerField(verbose_name="tokens")),
                ("cached_tokens", models.BigIntegerField(verbose_name="cache read tokens")),
                ("cache_write_tokens", models.BigIntegerField(verbose_name="cache write tokens")),
                ("reasoning_tokens", models.BigIntegerField(verbose_name="reasoning tokens")),
                (
                    "cost_micro",
                    models.BigIntegerField(help_text="Whole millionths of the currency.", verbose_name="cost"),
                ),
                (
                    "cost_pico",
                    models.BigIntegerField(
                        help_text="Millionths of those millionths.", verbose_name="rest of the cost"
                    ),
                ),
                (
                    "timed_calls",
                    models.BigIntegerField(help_text="Succeeded rows whose start is known.", verbose_name="timed rows"),
                ),
                ("timed_tokens", models.BigIntegerField(verbose_name="their output tokens")),
                ("timed_us", models.BigIntegerField(help_text="Microseconds.", verbose_name="their latencies")),
                (
                    "first_chunk_calls",
                    models.BigIntegerField(
                        help_text="Timed rows that streamed and had a first chunk.",
                        verbose_name="rows with a first chunk",
                    ),
                ),
                ("first_chunk_us", models.BigIntegerField(help_text="Microseconds.", verbose_name="their times to it")),
                ("latency_00", models.IntegerField(editable=False, null=True)),
                ("latency_01", models.IntegerField(editable=False, null=True)),
                ("latency_02", models.IntegerField(editable=False, null=True)),
                ("latency_03", models.IntegerField(editable=False, null=True)),
                ("latency_04", models.IntegerField(editable=False, null=True)),
                ("latency_05", models.IntegerField(editable=False, null=True)),
                ("latency_06", models.IntegerField(editable=False, null=True)),
                ("latency_07", models.IntegerField(editable=False, null=True)),
                ("latency_08", models.IntegerField(editable=False, null=True)),
                ("latency_09", models.IntegerField(editable=False, null=True)),
                ("latency_10", models.IntegerField(editable=False, null=True)),
                ("latency_11", models.IntegerField(editable=False, null=True)),
                ("latency_12", models.IntegerField(editable=False, null=True)),
                ("latency_13", models.IntegerField(editable=False, null=True)),
                ("latency_14", models.IntegerField(editable=False, null=True)),
                ("latency_15", models.IntegerField(editable=False, null=True)),
                ("latency_16", models.IntegerField(editable=False, null=True)),
                ("latency_17", models.IntegerField(editable=False, null=True)),
                ("latency_18", models.IntegerField(editable=False, null=True)),
                ("latency_19", models.IntegerField(editable=False, null=True)),
                ("latency_20", models.IntegerField(editable=False, null=True)),
                ("latency_21", models.IntegerField(editable=False, null=True)),
                ("latency_22", models.IntegerField(editable=False, null=True)),
                ("latency_23", models.IntegerField(editable=False, null=True)),
                ("latency_24", models.IntegerField(editable=False, null=True)),
                ("latency_25", models.IntegerField(editable=False, null=True)),
                ("first_chunk_00", models.IntegerField(editable=False, null=True)),
                ("first_chunk_01", models.IntegerField(editable=False, null=True)),
                ("first_chunk_02", models.IntegerField(editable=False, null=True)),
                ("first_chunk_03", models.IntegerField(editable=False, null=True)),
                ("first_chunk_04", models.IntegerField(editable=False, null=True)),
                ("first_chunk_05", models.IntegerField(editable=False, null=True)),
                ("first_chunk_06", models.IntegerField(editable=False, null=True)),
                ("first_chunk_07", models.IntegerField(editable=False, null=True)),
                ("first_chunk_08", models.IntegerField(editable=False, null=True)),
                ("first_chunk_09", models.IntegerField(editable=False, null=True)),
                ("first_chunk_10", models.IntegerField(editable=False, null=True)),
                ("first_chunk_11", models.IntegerField(editable=False, null=True)),
                ("first_chunk_12", models.IntegerField(editable=False, null=True)),
                ("first_chunk_13", models.IntegerField(editable=False, null=True)),
                ("first_chunk_14", models.IntegerField(editable=False, null=True)),
                ("first_chunk_15", models.IntegerField(editable=False, null=True)),
                ("first_chunk_16", models.IntegerField(editable=False, null=True)),
                ("first_chunk_17", models.IntegerField(editable=False, null=True)),
                ("first_chunk_18", models.IntegerField(editable=False, null=True)),
                ("first_chunk_19", models.IntegerField(editable=False, null=True)),
                ("first_chunk_20", models.IntegerField(editable=False, null=True)),
                ("first_chunk_21", models.IntegerField(editable=False, null=True)),
                ("first_chunk_22", models.IntegerField(editable=False, null=True)),
                ("first_chunk_23", models.IntegerField(editable=False, null=True)),
                ("first_chunk_24", models.IntegerField(editable=False, null=True)),
                ("first_chunk_25", models.IntegerField(editable=False, null=True)),
                ("succeeded_calls", models.BigIntegerField(verbose_name="succeeded rows")),
                ("cancelled_calls", models.BigIntegerField(verbose_name="cancelled rows")),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "usage rollup of each user",
                "verbose_name_plural": "usage rollups of each user",
                "db_table": "agentcore_metering_rollup_user_total",
                "indexes": [models.Index(fields=["grain", "bucket"], name="metering_rollup_utot_bkt_idx")],
            },
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
