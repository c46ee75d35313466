"""What a usage row says of its call: attempt, outcome, provider, trace, and where its figures come from.

Every column is nullable or has a database default, so that code of the older schema can still insert.
"""

from __future__ import annotations

import django.db.models.functions.datetime
from django.db import migrations, models

import agentcore_metering.adapters.django.fields


class Migration(migrations.Migration):
    dependencies = [("agentcore_metering", "0100_exact_costs")]

    operations = [
        migrations.AddField(
            model_name="llmusage",
            name="call_id",
            field=models.UUIDField(
                blank=True,
                help_text="Id of the call's first attempt, on every attempt.",
                null=True,
                verbose_name="call",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="attempt",
            field=models.SmallIntegerField(
                db_default=1, default=1, help_text="1 for the first attempt of a call.", verbose_name="attempt"
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="operation",
            field=models.CharField(
                blank=True, help_text="For example: chat.", max_length=50, null=True, verbose_name="operation"
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="provider",
            field=models.CharField(
                blank=True, help_text="For example: azure_openai.", max_length=100, null=True, verbose_name="provider"
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="request_model",
            field=models.CharField(
                blank=True,
                help_text="Without LiteLLM's provider prefix.",
                max_length=200,
                null=True,
                verbose_name="requested model",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="response_model",
            field=models.CharField(
                blank=True,
                help_text="The model that the provider says answered.",
                max_length=200,
                null=True,
                verbose_name="answering model",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="config_uuid",
            field=models.UUIDField(
                blank=True,
                help_text="The configuration used; empty where it came from Django settings.",
                null=True,
                verbose_name="configuration",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="config_scope",
            field=models.CharField(
                blank=True,
                help_text="user, global or settings.",
                max_length=20,
                null=True,
                verbose_name="configuration scope",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="status",
            field=models.CharField(
                blank=True,
                help_text="succeeded, failed, cancelled or interrupted.",
                max_length=20,
                null=True,
                verbose_name="status",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="error_type",
            field=models.CharField(
                blank=True,
                help_text="The exception's class, or a code of ours.",
                max_length=255,
                null=True,
                verbose_name="error type",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="finish_reason",
            field=models.CharField(
                blank=True,
                help_text="Why the provider stopped, for example: stop.",
                max_length=100,
                null=True,
                verbose_name="finish reason",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="service_tier",
            field=models.CharField(
                blank=True,
                help_text="The tier that the provider says it served.",
                max_length=50,
                null=True,
                verbose_name="service tier",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="response_id",
            field=models.CharField(
                blank=True, help_text="The provider's own id.", max_length=255, null=True, verbose_name="response"
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="cache_write_tokens",
            field=models.IntegerField(
                db_default=0, default=0, help_text="Input tokens written to a cache.", verbose_name="cache write tokens"
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="usage_source",
            field=models.CharField(
                blank=True,
                help_text="Who counted: provider, estimated or none.",
                max_length=20,
                null=True,
                verbose_name="usage source",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="usage_raw",
            field=models.JSONField(
                blank=True, help_text="The provider's own usage object.", null=True, verbose_name="raw usage"
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="cost_source",
            field=models.CharField(
                blank=True,
                help_text="Whose figure: provider, operator or price_map.",
                max_length=20,
                null=True,
                verbose_name="cost source",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="cost_status",
            field=models.CharField(
                blank=True,
                help_text="priced, free, unpriced or no_usage.",
                max_length=20,
                null=True,
                verbose_name="cost status",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="computed_cost",
            field=agentcore_metering.adapters.django.fields.ExactDecimalField(
                blank=True,
                help_text="What our prices say where the provider's own figure was taken.",
                null=True,
                verbose_name="computed cost",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="price_snapshot",
            field=models.JSONField(
                blank=True,
                help_text="The unit prices that the cost was calculated from.",
                null=True,
                verbose_name="prices",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="ended_at",
            field=models.DateTimeField(
                blank=True, help_text="When the attempt was over.", null=True, verbose_name="ended"
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="node_name",
            field=models.CharField(
                blank=True, help_text="The caller's step that called.", max_length=255, null=True, verbose_name="node"
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="source_type",
            field=models.CharField(
                blank=True, help_text="What kind of work called.", max_length=255, null=True, verbose_name="source type"
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="trace_id",
            field=models.CharField(
                blank=True,
                help_text="32 hex digits of the OpenTelemetry trace.",
                max_length=32,
                null=True,
                verbose_name="trace",
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="span_id",
            field=models.CharField(
                blank=True, help_text="16 hex digits of the call's span.", max_length=16, null=True, verbose_name="span"
            ),
        ),
        migrations.AddField(
            model_name="llmusage",
            name="trace_sampled",
            field=models.BooleanField(
                blank=True, help_text="Whether the trace was recorded.", null=True, verbose_name="trace sampled"
            ),
        ),
        # Two steps: rows from before this column shall not claim that they were recorded now.
        migrations.AddField(
            model_name="llmusage",
            name="recorded_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="recorded"),
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="recorded_at",
            field=models.DateTimeField(
                blank=True,
                db_default=django.db.models.functions.datetime.Now(),
                editable=False,
                help_text="When the database got the row; empty for rows from before this column.",
                null=True,
                verbose_name="recorded",
            ),
        ),
        migrations.AddIndex(
            model_name="llmusage",
            index=models.Index(
                condition=models.Q(("call_id__isnull", False)), fields=["call_id"], name="llm_tracker_usage_call_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="llmusage",
            index=models.Index(
                condition=models.Q(("trace_id__isnull", False)), fields=["trace_id"], name="llm_tracker_usage_trace_idx"
            ),
        ),
    ]
