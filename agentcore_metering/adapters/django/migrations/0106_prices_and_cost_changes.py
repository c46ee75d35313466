"""Prices of more kinds of tokens and of units, what a row needs to be priced by them, and the trail of changed costs."""

from __future__ import annotations

import django.utils.timezone
from django.db import migrations, models

import agentcore_metering.adapters.django.fields


class Migration(migrations.Migration):
    dependencies = [
        ("agentcore_metering", "0105_permissions"),
    ]

    operations = [
        migrations.CreateModel(
            name="LLMCostChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("usage_id", models.UUIDField(db_index=True, help_text="Id of the usage row.", verbose_name="usage")),
                (
                    "old_amount",
                    agentcore_metering.adapters.django.fields.ExactDecimalField(
                        blank=True, help_text="Empty: it was not known.", null=True, verbose_name="old cost"
                    ),
                ),
                ("old_currency", models.CharField(blank=True, default="", max_length=10, verbose_name="old currency")),
                ("old_source", models.CharField(blank=True, default="", max_length=20, verbose_name="old cost source")),
                ("old_price_snapshot", models.JSONField(blank=True, null=True, verbose_name="old prices")),
                (
                    "new_amount",
                    agentcore_metering.adapters.django.fields.ExactDecimalField(
                        blank=True, null=True, verbose_name="new cost"
                    ),
                ),
                ("new_currency", models.CharField(blank=True, default="", max_length=10, verbose_name="new currency")),
                ("new_source", models.CharField(blank=True, default="", max_length=20, verbose_name="new cost source")),
                (
                    "price_snapshot",
                    models.JSONField(
                        blank=True,
                        help_text="The unit prices that the new cost was calculated from.",
                        null=True,
                        verbose_name="prices",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, default="", help_text="Why it was changed.", max_length=255, verbose_name="reason"
                    ),
                ),
                (
                    "changed_at",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name="changed"),
                ),
            ],
            options={
                "verbose_name": "cost change",
                "verbose_name_plural": "cost changes",
                "db_table": "agentcore_metering_cost_change",
                "ordering": ["-changed_at", "-id"],
            },
        ),
        migrations.AddField(
            model_name="llmprice",
            name="above_input_tokens",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="Holds for calls with more input tokens than this, for all of their tokens.",
                verbose_name="above input tokens",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="cache_write_1h_per_1m",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="For 1,000,000 tokens written for an hour; empty: as input, or unknown where the cache write price is set.",
                null=True,
                verbose_name="cache write price, 1 hour",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="input_audio_per_1m",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="For 1,000,000 audio input tokens; empty: as input.",
                null=True,
                verbose_name="audio input price",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="input_image_per_1m",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="For 1,000,000 image input tokens; empty: as input.",
                null=True,
                verbose_name="image input price",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="output_audio_per_1m",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="For 1,000,000 audio output tokens; empty: as output.",
                null=True,
                verbose_name="audio output price",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="output_image_per_1m",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="For 1,000,000 image output tokens; empty: as output.",
                null=True,
                verbose_name="image output price",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="per_character",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="For each character spoken, beside the tokens.",
                null=True,
                verbose_name="price of a character",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="per_image",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="For each image made, beside the tokens.",
                null=True,
                verbose_name="price of an image",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="per_query",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="For each search unit of a rerank, beside the tokens.",
                null=True,
                verbose_name="price of a query",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="per_second",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="For each second of audio or video, beside the tokens.",
                null=True,
                verbose_name="price of a second",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="per_web_search",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="For each web search the provider did.",
                null=True,
                verbose_name="price of a web search",
            ),
        ),
        migrations.AddField(
            model_name="llmprice",
            name="service_tier",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="For example: flex. Empty for the standard tier, * for any.",
                max_length=50,
                verbose_name="service tier",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="usage_details",
            field=models.JSONField(
                blank=True,
                help_text="Parts of the tokens that have a price of their own, and units that are no tokens; empty where there are none.",
                null=True,
                verbose_name="usage details",
            ),
        ),
    ]
