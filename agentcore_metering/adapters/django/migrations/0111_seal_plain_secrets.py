"""The secrets that releases before 0103 stored in clear, sealed. Backwards nothing: 0103 opens every row on the way to those releases.

Left out with AGENTCORE_METERING_DEFER_ENCRYPTION, for deployments in which processes of an older release still read these rows;
`metering_secrets encrypt` does it then, and a system check reminds of it.
"""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.config.sealing import TO_ENCRYPT, seal_rows


def seal_plain(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if not metering_settings.DEFER_ENCRYPTION:
        seal_rows(apps.get_model("agentcore_metering", "LLMConfig"), schema_editor.connection.alias, TO_ENCRYPT)


class Migration(migrations.Migration):
    # In batches, each in a transaction of its own: stopped in the middle it goes on where it ended.
    atomic = False

    dependencies = [("agentcore_metering", "0110_llmconfigchange")]

    operations = [migrations.RunPython(seal_plain, migrations.RunPython.noop)]
