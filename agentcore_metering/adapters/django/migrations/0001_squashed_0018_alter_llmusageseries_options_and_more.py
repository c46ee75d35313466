"""The schema of the reference implementation at its migration 0018, under whose names it stands in existing databases."""

from __future__ import annotations

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    replaces = [
        ("agentcore_metering", "0001_initial"),
        ("agentcore_metering", "0002_add_llm_config"),
        ("agentcore_metering", "0003_llm_config_single_config"),
        ("agentcore_metering", "0004_add_llm_usage_cost_usd"),
        ("agentcore_metering", "0005_cost_and_currency"),
        ("agentcore_metering", "0006_llm_config_list_and_strategy"),
        ("agentcore_metering", "0007_remove_modelstrategy"),
        ("agentcore_metering", "0008_llmconfig_add_uuid"),
        ("agentcore_metering", "0009_rename_llm_track_user_created_idx_llm_tracker_user_id_5800dd_idx_and_more"),
        ("agentcore_metering", "0010_remove_llmconfig_order"),
        ("agentcore_metering", "0011_llmconfig_is_default"),
        ("agentcore_metering", "0012_alter_llmconfig_options_alter_llmconfig_is_default"),
        ("agentcore_metering", "0013_llmusage_started_at"),
        ("agentcore_metering", "0014_alter_llmusage_created_at_alter_llmusage_started_at"),
        ("agentcore_metering", "0015_llmusage_is_streaming_first_chunk_at"),
        ("agentcore_metering", "0016_llmusageseries"),
        ("agentcore_metering", "0017_meteringconfig"),
        ("agentcore_metering", "0018_alter_llmusageseries_options_and_more"),
    ]

    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="LLMUsage",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "model",
                    models.CharField(
                        db_index=True, help_text="As LiteLLM was given it.", max_length=200, verbose_name="model"
                    ),
                ),
                (
                    "success",
                    models.BooleanField(
                        db_index=True,
                        default=True,
                        help_text="Whether the caller got an answer.",
                        verbose_name="success",
                    ),
                ),
                (
                    "error",
                    models.TextField(
                        blank=True, help_text="Why it failed, without secrets.", null=True, verbose_name="error"
                    ),
                ),
                (
                    "prompt_tokens",
                    models.IntegerField(default=0, help_text="Cached tokens included.", verbose_name="input tokens"),
                ),
                (
                    "completion_tokens",
                    models.IntegerField(
                        default=0, help_text="Reasoning tokens included.", verbose_name="output tokens"
                    ),
                ),
                (
                    "total_tokens",
                    models.IntegerField(
                        db_index=True, default=0, help_text="Input plus output.", verbose_name="tokens"
                    ),
                ),
                (
                    "cached_tokens",
                    models.IntegerField(
                        default=0, help_text="Input tokens read from a cache.", verbose_name="cache read tokens"
                    ),
                ),
                (
                    "reasoning_tokens",
                    models.IntegerField(
                        default=0, help_text="Output tokens spent on reasoning.", verbose_name="reasoning tokens"
                    ),
                ),
                (
                    "cost",
                    models.DecimalField(
                        decimal_places=6,
                        max_digits=12,
                        blank=True,
                        default=None,
                        help_text="In the row's currency; empty is unknown, which is not zero.",
                        null=True,
                        verbose_name="cost",
                    ),
                ),
                (
                    "cost_currency",
                    models.CharField(
                        blank=True,
                        db_index=True,
                        default="USD",
                        help_text="ISO 4217 code.",
                        max_length=10,
                        verbose_name="currency",
                    ),
                ),
                (
                    "is_streaming",
                    models.BooleanField(
                        db_index=True,
                        default=False,
                        help_text="Whether the answer came in chunks.",
                        verbose_name="streamed",
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(
                        blank=True,
                        db_index=True,
                        help_text="When the request was sent, by the caller's clock.",
                        null=True,
                        verbose_name="started",
                    ),
                ),
                (
                    "first_chunk_at",
                    models.DateTimeField(
                        blank=True,
                        db_index=True,
                        help_text="When the first text of a stream came.",
                        null=True,
                        verbose_name="first chunk",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_index=True,
                        auto_now_add=True,
                        help_text="When the attempt was over; what reports go by.",
                        verbose_name="created",
                    ),
                ),
                (
                    "metadata",
                    models.JSONField(
                        blank=True, default=dict, help_text="The caller's own keys, flat.", verbose_name="metadata"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        help_text="Who made the call; empty for a call that belongs to nobody.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="llm_usages",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "LLM usage",
                "verbose_name_plural": "LLM usage",
                "db_table": "llm_tracker_usage",
                "ordering": ["-created_at"],
                "indexes": [
                    models.Index(fields=["user", "-created_at"], name="llm_tracker_user_id_5800dd_idx"),
                    models.Index(fields=["model", "-created_at"], name="llm_tracker_model_534b34_idx"),
                    models.Index(fields=["total_tokens", "-created_at"], name="llm_tracker_total_t_f8ac69_idx"),
                    models.Index(fields=["success", "-created_at"], name="llm_tracker_success_3cd796_idx"),
                    models.Index(fields=["created_at"], name="llm_tracker_created_60798a_idx"),
                ],
            },
        ),
        migrations.CreateModel(
            name="LLMUsageSeries",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "granularity",
                    models.CharField(
                        choices=[("hour", "Hour"), ("day", "Day"), ("month", "Month")],
                        db_index=True,
                        max_length=10,
                        verbose_name="granularity",
                    ),
                ),
                (
                    "bucket",
                    models.DateTimeField(db_index=True, help_text="When the bucket begins.", verbose_name="bucket"),
                ),
                ("model", models.CharField(db_index=True, max_length=200, verbose_name="model")),
                ("call_count", models.PositiveIntegerField(default=0, verbose_name="rows")),
                ("success_count", models.PositiveIntegerField(default=0, verbose_name="successful rows")),
                (
                    "avg_e2e_latency_sec",
                    models.FloatField(blank=True, help_text="Seconds.", null=True, verbose_name="mean latency"),
                ),
                (
                    "avg_ttft_sec",
                    models.FloatField(
                        blank=True, help_text="Seconds.", null=True, verbose_name="mean time to first chunk"
                    ),
                ),
                (
                    "avg_output_tps",
                    models.FloatField(
                        blank=True, help_text="Tokens per second.", null=True, verbose_name="mean output rate"
                    ),
                ),
                ("total_prompt_tokens", models.BigIntegerField(default=0, verbose_name="input tokens")),
                ("total_completion_tokens", models.BigIntegerField(default=0, verbose_name="output tokens")),
                ("total_tokens", models.BigIntegerField(default=0, verbose_name="tokens")),
                ("total_cached_tokens", models.BigIntegerField(default=0, verbose_name="cache read tokens")),
                ("total_reasoning_tokens", models.BigIntegerField(default=0, verbose_name="reasoning tokens")),
                (
                    "total_cost",
                    models.DecimalField(
                        decimal_places=6,
                        max_digits=12,
                        blank=True,
                        help_text="In the series' currency; empty is unknown.",
                        null=True,
                        verbose_name="cost",
                    ),
                ),
                ("cost_currency", models.CharField(blank=True, default="USD", max_length=10, verbose_name="currency")),
            ],
            options={
                "verbose_name": "LLM usage series",
                "verbose_name_plural": "LLM usage series",
                "db_table": "llm_usage_series",
                "ordering": ["granularity", "bucket", "model"],
                "indexes": [
                    models.Index(fields=["granularity", "bucket"], name="llm_usage_s_granula_6d2f24_idx"),
                    models.Index(fields=["granularity", "model", "bucket"], name="llm_usage_s_granula_491427_idx"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("granularity", "bucket", "model"), name="llm_usage_series_unique_bucket_model"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LLMConfig",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "scope",
                    models.CharField(
                        choices=[("global", "Global"), ("user", "User")],
                        db_index=True,
                        max_length=20,
                        verbose_name="scope",
                    ),
                ),
                (
                    "model_type",
                    models.CharField(
                        db_index=True,
                        default="llm",
                        help_text="llm, embedding, image_generation or decision.",
                        max_length=30,
                        verbose_name="model type",
                    ),
                ),
                (
                    "uuid",
                    models.UUIDField(
                        db_index=True,
                        default=uuid.uuid4,
                        editable=False,
                        help_text="What callers and the API name it by.",
                        unique=True,
                        verbose_name="uuid",
                    ),
                ),
                (
                    "provider",
                    models.CharField(
                        db_index=True,
                        default="openai",
                        help_text="For example: openai, azure_openai, gemini.",
                        max_length=50,
                        verbose_name="provider",
                    ),
                ),
                (
                    "config",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="model, api_key, api_base and so on; secrets are stored sealed.",
                        verbose_name="configuration",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        db_index=True, default=True, help_text="Whether calls may use it.", verbose_name="active"
                    ),
                ),
                (
                    "is_default",
                    models.BooleanField(
                        db_index=True,
                        default=False,
                        help_text="The global configuration for calls that name none.",
                        verbose_name="default",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        help_text="Whose it is; empty for a global configuration.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="llm_configs",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "LLM configuration",
                "verbose_name_plural": "LLM configurations",
                "db_table": "agentcore_metering_llm_config",
                "ordering": ["created_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="MeteringConfig",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "scope",
                    models.CharField(
                        choices=[("global", "Global")],
                        db_index=True,
                        default="global",
                        max_length=20,
                        verbose_name="scope",
                    ),
                ),
                ("key", models.CharField(db_index=True, max_length=128, verbose_name="key")),
                ("value", models.JSONField(default=dict, verbose_name="value")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
            ],
            options={
                "verbose_name": "metering setting",
                "verbose_name_plural": "metering settings",
                "db_table": "agentcore_metering_config",
                "indexes": [models.Index(fields=["scope", "key"], name="agentcore_m_scope_c4d6d0_idx")],
                "constraints": [
                    models.UniqueConstraint(fields=("scope", "key"), name="agentcore_metering_config_scope_key_uniq")
                ],
            },
        ),
    ]
