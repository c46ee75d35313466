"""Configurations whose secrets are sealed from now on.

Rows as they are stay readable and are sealed at their next save, so that older code can run beside this one until it is gone. Backwards
every sealed row is opened, because older code reads plain text only.
"""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import agentcore_metering.adapters.django.fields
from agentcore_metering.adapters.django.fields import EncryptedConfigField, UnreadableConfig
from agentcore_metering.core.errors import SecretUnavailable


def open_all(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rows = apps.get_model("agentcore_metering", "LLMConfig").objects.using(schema_editor.connection.alias)
    for row in rows.filter(config__has_key="__secrets__").iterator():
        config = EncryptedConfigField().to_python(row.config)
        if isinstance(config, UnreadableConfig):
            raise SecretUnavailable(f"the configuration {row.uuid} cannot be migrated back: {config.reason}")
        row.config = dict(config)
        row.save(update_fields=["config"])


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0102_llmusage_written_late")]

    operations = [
        # First, so that backwards it comes after the column is plain JSON again.
        migrations.RunPython(migrations.RunPython.noop, open_all),
        migrations.AlterField(
            model_name="llmconfig",
            name="config",
            field=agentcore_metering.adapters.django.fields.EncryptedConfigField(
                blank=True,
                default=dict,
                help_text="model, api_key, api_base and so on; secrets are stored sealed.",
                verbose_name="configuration",
            ),
        ),
    ]
