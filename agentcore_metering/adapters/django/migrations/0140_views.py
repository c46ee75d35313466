"""Views for dashboards and reports, which need no knowledge of how amounts are stored; see `sql_views`."""

from __future__ import annotations

from django.db import migrations

from agentcore_metering.adapters.django.sql_views import CreateViews


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0132_rollup_triggers")]

    operations = [CreateViews(version=1)]
