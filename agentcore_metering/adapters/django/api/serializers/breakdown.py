"""The document of `usage-breakdown/`, for its description; `stats.breakdown` makes it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agentcore_metering.adapters.django.api.serializers.stats import TotalsSerializer
from agentcore_metering.adapters.django.stats import BREAKDOWN_DIMENSIONS, BREAKDOWN_TIMES

__all__ = ["UsageBreakdownSerializer"]


class BreakdownKeysSerializer(serializers.Serializer[Any]):
    """What a row is of: one entry for each name in `group_by`; null where the rows have none."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Those of the one table that has the names."""
        return {
            name: serializers.CharField(required=False, allow_null=name not in BREAKDOWN_TIMES)
            for name in (*BREAKDOWN_DIMENSIONS, *BREAKDOWN_TIMES)
        }


class BreakdownFiguresSerializer(TotalsSerializer):
    """Sums of the period, and of the one before."""

    previous = TotalsSerializer(
        allow_null=True, help_text="The same of the period of the same length before; null unless `compare=previous`."
    )


class BreakdownRowSerializer(BreakdownFiguresSerializer):
    """The sums of one group."""

    keys = BreakdownKeysSerializer()


class BreakdownOtherSerializer(BreakdownFiguresSerializer):
    """The sums of all groups that the limit has cut off."""

    groups = serializers.IntegerField(help_text="How many they are.")


class BreakdownPeriodSerializer(serializers.Serializer[Any]):
    """A stretch of time, UTC."""

    start = serializers.DateTimeField(help_text="Inclusive.")
    end = serializers.DateTimeField(help_text="Exclusive.")


class UsageBreakdownSerializer(serializers.Serializer[Any]):
    """Sums by groups. The rows and `other` are together the total."""

    group_by = serializers.ListField(child=serializers.CharField())
    order_currency = serializers.CharField(
        allow_null=True, help_text="Whose amounts `order=cost` compares: the one of most priced rows; null otherwise."
    )
    previous_period = BreakdownPeriodSerializer(allow_null=True)
    total = BreakdownFiguresSerializer()
    rows = BreakdownRowSerializer(many=True)
    other = BreakdownOtherSerializer(allow_null=True, help_text="Null where nothing was cut off.")
