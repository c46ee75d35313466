"""The fallback policy of a configuration. The reference implementation has a migration of this name that does the same."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0019_increase_cost_precision")]

    operations = [
        migrations.AddField(
            model_name="llmconfig",
            name="fallback",
            field=models.JSONField(
                blank=True,
                default=None,
                help_text="Which configurations to try next, and when.",
                null=True,
                verbose_name="fallback",
            ),
        ),
    ]
