"""Until when the rollups outlive the rows that retention deletes."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0140_views")]

    operations = [
        migrations.AddField(
            model_name="rollupcoverage",
            name="kept_until",
            field=models.DateTimeField(
                help_text="Midnight, UTC: what was summed up before it stays as it is, because retention has deleted the rows.",
                null=True,
                verbose_name="kept until",
            ),
        ),
    ]
