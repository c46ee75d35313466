"""Usage rows that are written after the fact: with their own time, and without the database's word that the user exists."""

from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def forget_missing_users(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the foreign key true again before it is enforced again."""
    alias = schema_editor.connection.alias
    users = apps.get_model(settings.AUTH_USER_MODEL).objects.using(alias).filter(pk=models.OuterRef("user_id"))
    usage = apps.get_model("agentcore_metering", "LLMUsage").objects.using(alias)
    usage.filter(~models.Exists(users), user_id__isnull=False).update(user_id=None)


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0101_llmusage_call_and_trace")]

    operations = [
        migrations.AlterField(
            model_name="llmusage",
            name="user",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                help_text="Who made the call; empty for a call that belongs to nobody.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="llm_usages",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, forget_missing_users),
        migrations.AlterField(
            model_name="llmusage",
            name="created_at",
            field=models.DateTimeField(
                db_index=True,
                default=django.utils.timezone.now,
                help_text="When the attempt was over; what reports go by.",
                verbose_name="created",
            ),
        ),
    ]
