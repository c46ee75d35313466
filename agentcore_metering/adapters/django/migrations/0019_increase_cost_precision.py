"""Costs with 12 places. The reference implementation has a migration of this name that does the same."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0001_squashed_0018_alter_llmusageseries_options_and_more")]

    operations = [
        migrations.AlterField(
            model_name="llmusage",
            name="cost",
            field=models.DecimalField(
                blank=True,
                decimal_places=12,
                default=None,
                help_text="In the row's currency; empty is unknown, which is not zero.",
                max_digits=18,
                null=True,
                verbose_name="cost",
            ),
        ),
        migrations.AlterField(
            model_name="llmusageseries",
            name="total_cost",
            field=models.DecimalField(
                blank=True,
                decimal_places=12,
                help_text="In the series' currency; empty is unknown.",
                max_digits=18,
                null=True,
                verbose_name="cost",
            ),
        ),
    ]
