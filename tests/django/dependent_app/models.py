from __future__ import annotations

from django.db import models


class Approval(models.Model):
    usage = models.ForeignKey(
        "agentcore_metering.LLMUsage", on_delete=models.SET_NULL, null=True, related_name="approvals"
    )

    class Meta:
        app_label = "dependent_app"

    def __str__(self) -> str:
        return f"approval {self.pk}"
