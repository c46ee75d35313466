"""The body of `metering-config/`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agentcore_metering.adapters.django.config.policy import MAX_RETENTION_DAYS

__all__ = ["PolicySerializer"]


class PolicySerializer(serializers.Serializer[Any]):
    """Retention and schedules; whether a schedule is one is `config.policy`'s to say."""

    retention_days = serializers.IntegerField(min_value=1, max_value=MAX_RETENTION_DAYS)
    cleanup_enabled = serializers.BooleanField()
    cleanup_crontab = serializers.CharField(allow_blank=True)
    aggregation_crontab = serializers.CharField(allow_blank=True)
