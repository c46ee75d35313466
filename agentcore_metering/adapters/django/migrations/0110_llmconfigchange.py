"""Who changed which keys of which configuration."""

from __future__ import annotations

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agentcore_metering", "0106_prices_and_cost_changes"),
    ]

    operations = [
        migrations.CreateModel(
            name="LLMConfigChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "changed_at",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now, verbose_name="changed"),
                ),
                ("config_uuid", models.UUIDField(db_index=True, verbose_name="configuration")),
                (
                    "action",
                    models.CharField(
                        choices=[("created", "Created"), ("changed", "Changed"), ("deleted", "Deleted")],
                        max_length=10,
                        verbose_name="action",
                    ),
                ),
                (
                    "keys",
                    models.JSONField(
                        default=list,
                        help_text="The names of what was changed; config.api_key is a key of the configuration.",
                        verbose_name="keys",
                    ),
                ),
                (
                    "owner_id",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Empty: a global configuration.",
                        max_length=255,
                        verbose_name="owner",
                    ),
                ),
                (
                    "actor_id",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="A user's primary key; empty: nobody is known.",
                        max_length=255,
                        verbose_name="who",
                    ),
                ),
                ("actor_name", models.CharField(blank=True, default="", max_length=255, verbose_name="name")),
                ("via", models.CharField(help_text="api, or code.", max_length=20, verbose_name="by way of")),
            ],
            options={
                "verbose_name": "configuration change",
                "verbose_name_plural": "configuration changes",
                "db_table": "agentcore_metering_llm_config_change",
                "ordering": ["-changed_at", "-id"],
            },
        ),
    ]
