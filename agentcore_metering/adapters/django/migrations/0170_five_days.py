"""Sums of five days, between those of a day and of a month.

Tables of older releases have none yet: the next `metering_rollup`, or nightly task, makes them, and until then days are read.
"""

from __future__ import annotations

from django.db import migrations, models

_GRAINS = [(1, "Hour"), (2, "Day"), (4, "Five days"), (3, "Month")]
_MODELS = ("configrollup", "detailrollup", "noderollup", "usagerollup", "userrollup", "usertotalrollup")


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0160_user_totals")]

    operations = [
        migrations.AddField(
            model_name="rollupcoverage",
            name="fives_at",
            field=models.DateTimeField(
                help_text="As `refreshed_at` where the sums of five days follow the others; an older release moves that one alone.",
                null=True,
                verbose_name="fives refreshed",
            ),
        ),
        *(
            migrations.AlterField(
                model_name=name,
                name="grain",
                field=models.SmallIntegerField(choices=_GRAINS, verbose_name="grain"),
            )
            for name in _MODELS
        ),
    ]
