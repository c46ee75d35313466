"""The ways by which a configuration is changed, in the words of the form. Nothing in the database changes."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agentcore_metering", "0141_rollups_kept_until"),
    ]

    operations = [
        migrations.AlterField(
            model_name="llmconfigchange",
            name="via",
            field=models.CharField(help_text="api, admin, or code.", max_length=20, verbose_name="by way of"),
        ),
    ]
