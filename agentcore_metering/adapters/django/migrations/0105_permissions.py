"""Permissions to read usage and to manage configurations without being a superuser."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0104_llmprice")]

    operations = [
        migrations.AlterModelOptions(
            name="llmusage",
            options={
                "ordering": ["-created_at"],
                "permissions": [("view_usage", "Can view LLM usage of every user")],
                "verbose_name": "LLM usage",
                "verbose_name_plural": "LLM usage",
            },
        ),
        migrations.AlterModelOptions(
            name="llmconfig",
            options={
                "ordering": ["created_at", "id"],
                "permissions": [("manage_config", "Can manage LLM configurations")],
                "verbose_name": "LLM configuration",
                "verbose_name_plural": "LLM configurations",
            },
        ),
    ]
