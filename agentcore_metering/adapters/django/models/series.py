"""Owns the aggregated series: sums over closed time buckets by model. A cache, rebuildable from the usage rows."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.fields import ExactDecimalField
from agentcore_metering.constants import DEFAULT_COST_CURRENCY

__all__ = ["LLMUsageSeries"]


class LLMUsageSeries(models.Model):
    """One bucket of one model, of every user."""

    class Granularity(models.TextChoices):
        """The length of a bucket."""

        HOUR = "hour", _("Hour")
        DAY = "day", _("Day")
        MONTH = "month", _("Month")

    granularity = models.CharField(_("granularity"), max_length=10, choices=Granularity.choices, db_index=True)
    bucket = models.DateTimeField(_("bucket"), db_index=True, help_text=_("When the bucket begins."))
    model = models.CharField(_("model"), max_length=200, db_index=True)
    call_count = models.PositiveIntegerField(_("rows"), default=0)
    success_count = models.PositiveIntegerField(_("successful rows"), default=0)
    avg_e2e_latency_sec = models.FloatField(_("mean latency"), null=True, blank=True, help_text=_("Seconds."))
    avg_ttft_sec = models.FloatField(_("mean time to first chunk"), null=True, blank=True, help_text=_("Seconds."))
    avg_output_tps = models.FloatField(_("mean output rate"), null=True, blank=True, help_text=_("Tokens per second."))
    total_prompt_tokens = models.BigIntegerField(_("input tokens"), default=0)
    total_completion_tokens = models.BigIntegerField(_("output tokens"), default=0)
    total_tokens = models.BigIntegerField(_("tokens"), default=0)
    total_cached_tokens = models.BigIntegerField(_("cache read tokens"), default=0)
    total_reasoning_tokens = models.BigIntegerField(_("reasoning tokens"), default=0)
    total_cost = ExactDecimalField(
        _("cost"), null=True, blank=True, help_text=_("In the series' currency; empty is unknown.")
    )
    cost_currency = models.CharField(_("currency"), max_length=10, blank=True, default=DEFAULT_COST_CURRENCY)

    class Meta:
        db_table = "llm_usage_series"
        verbose_name = _("LLM usage series")
        verbose_name_plural = _("LLM usage series")
        ordering = ["granularity", "bucket", "model"]
        indexes = [
            models.Index(fields=["granularity", "bucket"], name="llm_usage_s_granula_6d2f24_idx"),
            models.Index(fields=["granularity", "model", "bucket"], name="llm_usage_s_granula_491427_idx"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["granularity", "bucket", "model"], name="llm_usage_series_unique_bucket_model"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.granularity} {self.bucket:%Y-%m-%d %H:%M} {self.model}"
