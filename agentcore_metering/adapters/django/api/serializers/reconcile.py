"""The document of `reconcile/` and what it may be asked; `reconcile.comparison` makes it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from agentcore_metering.adapters.django.reconcile import TOLERANCE

__all__ = ["ReconcileQuerySerializer", "ReconciliationSerializer"]

MAX_HOURS = 744
"""A month; a command has as long as it takes, a request has not."""


class ReconcileQuerySerializer(serializers.Serializer[Any]):
    """The query string."""

    hours = serializers.IntegerField(
        min_value=1, max_value=MAX_HOURS, default=24, help_text="The last so many hours that are over."
    )
    tolerance = serializers.DecimalField(
        max_digits=10,
        decimal_places=9,
        min_value=Decimal(0),
        max_value=Decimal(1),
        default=TOLERANCE,
        help_text="Part by which rows and counters may differ.",
    )
    service = serializers.CharField(
        required=False, default=None, max_length=255, help_text="service.name of the processes; all when absent."
    )


class DifferenceSerializer(serializers.Serializer[Any]):
    """One figure of one model, in one currency where it is money."""

    hour = serializers.DateTimeField(required=False)
    figure = serializers.CharField()
    model = serializers.CharField(allow_blank=True)
    currency = serializers.CharField(allow_null=True, allow_blank=True)
    rows = serializers.CharField(help_text="Decimal.")
    counters = serializers.CharField(help_text="Decimal.")
    difference = serializers.CharField(help_text="Decimal; rows less counters.")


class CauseSerializer(serializers.Serializer[Any]):
    """A likely cause, with what speaks for it."""

    code = serializers.CharField()
    detail = serializers.CharField()


class RollupDifferenceSerializer(serializers.Serializer[Any]):
    """A bucket that is not the sum of its rows."""

    table = serializers.CharField()
    grain = serializers.CharField()
    bucket = serializers.DateTimeField()


class RollupsSerializer(serializers.Serializer[Any]):
    """The rollups of these hours."""

    buckets = serializers.IntegerField(help_text="How many were held against their rows.")
    differing = RollupDifferenceSerializer(many=True)


class ReconciliationSerializer(serializers.Serializer[Any]):
    """What the comparison came to."""

    agree = serializers.BooleanField()
    tolerance = serializers.CharField(help_text="Decimal.")
    to = serializers.DateTimeField(help_text="Exclusive.")
    totals = DifferenceSerializer(many=True)
    differing_hours = DifferenceSerializer(many=True)
    causes = CauseSerializer(many=True)
    rollups = RollupsSerializer()

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which is no name of Python's."""
        return {"from": serializers.DateTimeField(), **super().get_fields()}
