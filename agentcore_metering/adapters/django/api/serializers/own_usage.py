"""The body of `my/usage/`: of each row what is the user's own affair."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agentcore_metering.adapters.django.api.serializers.usage import UsageItemSerializer

__all__ = ["OwnUsagePageSerializer"]

SHOWN = frozenset(
    {
        "attempt",
        "cached_tokens",
        "cache_write_tokens",
        "call_id",
        "completion_tokens",
        "cost",
        "cost_amount",
        "cost_currency",
        "cost_status",
        "created_at",
        "e2e_latency_sec",
        "error_type",
        "finish_reason",
        "id",
        "latency_sec",
        "model",
        "node_name",
        "operation",
        "output_tps",
        "prompt_tokens",
        "provider",
        "reasoning_tokens",
        "response_model",
        "started_at",
        "status",
        "success",
        "total_tokens",
        "ttft_sec",
    }
)
"""A field that is new to the rows is not shown before it is listed here."""


class OwnUsageItemSerializer(UsageItemSerializer):
    """One row without the project's insides."""

    def get_fields(self) -> dict[str, Any]:
        """Those in `SHOWN`."""
        return {name: field for name, field in super().get_fields().items() if name in SHOWN}


class OwnUsagePageSerializer(serializers.Serializer[Any]):
    """A page of the caller's rows."""

    results = OwnUsageItemSerializer(many=True)
    total = serializers.IntegerField()
    page = serializers.IntegerField()
    page_size = serializers.IntegerField()
