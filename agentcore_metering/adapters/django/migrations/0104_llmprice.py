"""Prices that an operator enters."""

from __future__ import annotations

import django.core.validators
import django.utils.timezone
from django.db import migrations, models

import agentcore_metering.adapters.django.fields


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0103_llmconfig_sealed_secrets")]

    operations = [
        migrations.CreateModel(
            name="LLMPrice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "provider",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Empty for any provider.",
                        max_length=100,
                        verbose_name="provider",
                    ),
                ),
                (
                    "model_pattern",
                    models.CharField(
                        help_text="A model's name; * stands for any characters, as in gpt-4o*.",
                        max_length=200,
                        verbose_name="model",
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        default="USD",
                        help_text="ISO 4217 code.",
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Z]{3}\\Z", "Enter an ISO 4217 code, such as USD."
                            )
                        ],
                        verbose_name="currency",
                    ),
                ),
                (
                    "input_per_1m",
                    agentcore_metering.adapters.django.fields.ExactDecimalField(
                        help_text="For 1,000,000 input tokens.", verbose_name="input price"
                    ),
                ),
                (
                    "output_per_1m",
                    agentcore_metering.adapters.django.fields.ExactDecimalField(
                        help_text="For 1,000,000 output tokens.", verbose_name="output price"
                    ),
                ),
                (
                    "cache_read_per_1m",
                    agentcore_metering.adapters.django.fields.ExactDecimalField(
                        blank=True,
                        help_text="For 1,000,000 tokens read from a cache; empty: as input.",
                        null=True,
                        verbose_name="cache read price",
                    ),
                ),
                (
                    "cache_write_per_1m",
                    agentcore_metering.adapters.django.fields.ExactDecimalField(
                        blank=True,
                        help_text="For 1,000,000 tokens written to a cache; empty: as input.",
                        null=True,
                        verbose_name="cache write price",
                    ),
                ),
                (
                    "reasoning_per_1m",
                    agentcore_metering.adapters.django.fields.ExactDecimalField(
                        blank=True,
                        help_text="For 1,000,000 reasoning tokens; empty: as output.",
                        null=True,
                        verbose_name="reasoning price",
                    ),
                ),
                (
                    "valid_from",
                    models.DateTimeField(
                        blank=True,
                        default=django.utils.timezone.now,
                        help_text="Empty: since ever.",
                        null=True,
                        verbose_name="valid from",
                    ),
                ),
                (
                    "valid_to",
                    models.DateTimeField(
                        blank=True,
                        help_text="The first moment it no longer holds; empty: open.",
                        null=True,
                        verbose_name="valid to",
                    ),
                ),
                (
                    "source",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="Where the figures come from: a contract, a page.",
                        verbose_name="source",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
            ],
            options={
                "verbose_name": "LLM price",
                "verbose_name_plural": "LLM prices",
                "db_table": "agentcore_metering_llm_price",
                "ordering": [models.OrderBy(models.F("valid_from"), descending=True, nulls_last=True), "-id"],
            },
        ),
    ]
