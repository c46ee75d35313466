"""Owns the audit trail of costs: what a row said before it was priced anew. When that happens is `persistence.repricing`'s."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agentcore_metering.adapters.django.fields import ExactDecimalField

__all__ = ["LLMCostChange"]


class LLMCostChange(models.Model):
    """One change of one usage row's cost. Never changed itself; it outlives the row."""

    usage_id = models.UUIDField(_("usage"), db_index=True, help_text=_("Id of the usage row."))
    old_amount = ExactDecimalField(_("old cost"), null=True, blank=True, help_text=_("Empty: it was not known."))
    old_currency = models.CharField(_("old currency"), max_length=10, blank=True, default="")
    old_source = models.CharField(_("old cost source"), max_length=20, blank=True, default="")
    old_price_snapshot = models.JSONField(_("old prices"), null=True, blank=True)
    new_amount = ExactDecimalField(_("new cost"), null=True, blank=True)
    new_currency = models.CharField(_("new currency"), max_length=10, blank=True, default="")
    new_source = models.CharField(_("new cost source"), max_length=20, blank=True, default="")
    price_snapshot = models.JSONField(
        _("prices"), null=True, blank=True, help_text=_("The unit prices that the new cost was calculated from.")
    )
    reason = models.CharField(_("reason"), max_length=255, blank=True, default="", help_text=_("Why it was changed."))
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, db_index=True)

    class Meta:
        db_table = "agentcore_metering_cost_change"
        verbose_name = _("cost change")
        verbose_name_plural = _("cost changes")
        ordering = ["-changed_at", "-id"]

    def __str__(self) -> str:
        return f"{self.usage_id} {self.old_amount} {self.old_currency} -> {self.new_amount} {self.new_currency}"
