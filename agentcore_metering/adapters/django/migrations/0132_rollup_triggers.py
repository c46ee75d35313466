"""Triggers by which the database marks the hours whose sums no longer hold."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from agentcore_metering.adapters.django.rollups import triggers


def install(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    triggers.install(schema_editor.connection.alias)


def uninstall(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    triggers.uninstall(schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0131_usage_indexes")]

    operations = [migrations.RunPython(install, uninstall)]
