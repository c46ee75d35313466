"""Indexes that no query uses are dropped: every insert pays for each. On the way back they return."""

from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agentcore_metering", "0130_rollups"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="llmusage",
            name="llm_tracker_model_534b34_idx",
        ),
        migrations.RemoveIndex(
            model_name="llmusage",
            name="llm_tracker_total_t_f8ac69_idx",
        ),
        migrations.RemoveIndex(
            model_name="llmusage",
            name="llm_tracker_success_3cd796_idx",
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="cost_currency",
            field=models.CharField(
                blank=True, default="USD", help_text="ISO 4217 code.", max_length=10, verbose_name="currency"
            ),
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="created_at",
            field=models.DateTimeField(
                default=django.utils.timezone.now,
                help_text="When the attempt was over; what reports go by.",
                verbose_name="created",
            ),
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="first_chunk_at",
            field=models.DateTimeField(
                blank=True, help_text="When the first text of a stream came.", null=True, verbose_name="first chunk"
            ),
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="is_streaming",
            field=models.BooleanField(
                default=False, help_text="Whether the answer came in chunks.", verbose_name="streamed"
            ),
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="model",
            field=models.CharField(help_text="As LiteLLM was given it.", max_length=200, verbose_name="model"),
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="started_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the request was sent, by the caller's clock.",
                null=True,
                verbose_name="started",
            ),
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="success",
            field=models.BooleanField(
                default=True, help_text="Whether the caller got an answer.", verbose_name="success"
            ),
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="total_tokens",
            field=models.IntegerField(default=0, help_text="Input plus output.", verbose_name="tokens"),
        ),
        migrations.AlterField(
            model_name="llmusage",
            name="user",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                help_text="Who made the call; empty for a call that belongs to nobody.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="llm_usages",
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
        migrations.AddIndex(
            model_name="llmusage",
            index=models.Index(
                condition=models.Q(("success", False)), fields=["created_at"], name="llm_tracker_usage_failed_idx"
            ),
        ),
    ]
