"""Owns the settings of the app that an admin changes at run time; which keys there are is left to who reads them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

__all__ = ["MeteringConfig"]


class MeteringConfig(models.Model):
    """One setting, which wins over the Django setting of the same meaning."""

    SCOPE_GLOBAL = "global"
    SCOPE_CHOICES = [(SCOPE_GLOBAL, _("Global"))]

    scope = models.CharField(_("scope"), max_length=20, choices=SCOPE_CHOICES, default=SCOPE_GLOBAL, db_index=True)
    key = models.CharField(_("key"), max_length=128, db_index=True)
    value = models.JSONField(_("value"), default=dict)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        db_table = "agentcore_metering_config"
        verbose_name = _("metering setting")
        verbose_name_plural = _("metering settings")
        indexes = [models.Index(fields=["scope", "key"], name="agentcore_m_scope_c4d6d0_idx")]
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="agentcore_metering_config_scope_key_uniq")
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"
