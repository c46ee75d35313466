"""One more way by which a configuration goes, in the words of the form. Nothing in the database changes."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agentcore_metering", "0142_config_change_ways"),
    ]

    operations = [
        migrations.AlterField(
            model_name="llmconfigchange",
            name="via",
            field=models.CharField(
                help_text="api, admin, code, or cascade: its user was deleted.", max_length=20, verbose_name="by way of"
            ),
        ),
    ]
