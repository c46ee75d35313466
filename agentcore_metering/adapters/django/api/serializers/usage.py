"""The documents of `llm-usage/`, for their description; `stats.usage_list` and `stats.usage_detail` make them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agentcore_metering.adapters.django.api.serializers.users import UserPkField

__all__ = ["UsageDetailSerializer", "UsagePageSerializer", "UsageWalkSerializer"]


def _text() -> serializers.CharField:
    return serializers.CharField(allow_null=True)


class UsageItemSerializer(serializers.Serializer[Any]):
    """One row: one request to a provider."""

    id = serializers.UUIDField()
    call_id = serializers.UUIDField(allow_null=True)
    attempt = serializers.IntegerField()
    user_id = UserPkField(allow_null=True)
    username = _text()
    operation = _text()
    provider = _text()
    model = serializers.CharField()
    response_model = _text()
    config_uuid = serializers.UUIDField(allow_null=True)
    node_name = _text()
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    cache_write_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    usage_source = _text()
    # An object, as calls leave it; a row that somebody made by hand is shown as it is.
    usage_details = serializers.JSONField(
        allow_null=True,
        help_text="Tokens of classes with a price of their own, `units` that are no tokens, and what else the price depended on.",
    )
    cost = serializers.FloatField(allow_null=True)
    cost_amount = serializers.CharField(allow_null=True, help_text="Exact decimal with 12 places.")
    cost_currency = serializers.CharField()
    cost_status = _text()
    cost_source = _text()
    success = serializers.BooleanField()
    status = _text()
    error = _text()
    error_type = _text()
    finish_reason = _text()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    e2e_latency_sec = serializers.FloatField(allow_null=True)
    latency_sec = serializers.FloatField(allow_null=True, help_text="The same as e2e_latency_sec.")
    ttft_sec = serializers.FloatField(required=False, help_text="Only for streams that had a first chunk.")
    output_tps = serializers.FloatField(allow_null=True)
    trace_id = _text()
    span_id = _text()
    trace_url = serializers.CharField(
        allow_null=True, help_text="By AGENTCORE_METERING_TRACE_URL_TEMPLATE; null for a trace that was not recorded."
    )
    metadata = serializers.JSONField()


class UsagePageSerializer(serializers.Serializer[Any]):
    """A page of rows."""

    results = UsageItemSerializer(many=True)
    total = serializers.IntegerField()
    page = serializers.IntegerField()
    page_size = serializers.IntegerField()


class UsageWalkSerializer(serializers.Serializer[Any]):
    """Rows behind a cursor."""

    results = UsageItemSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True, help_text="For the older rows; null behind the last.")
    previous_cursor = serializers.CharField(allow_null=True, help_text="For the newer rows; null where it began.")
    page_size = serializers.IntegerField()


class CostDetailsSerializer(serializers.Serializer[Any]):
    """Amounts as exact decimals with 12 places."""

    amount = _text()
    currency = serializers.CharField()
    source = _text()  # type: ignore[assignment]  # the metaclass takes it for a field, not for the base's attribute
    status = _text()
    computed_amount = serializers.CharField(
        allow_null=True, help_text="What our prices say where the provider's own figure was taken."
    )
    recomputed_amount = serializers.CharField(
        allow_null=True, help_text="Computed now, from the usage and the prices in the row; null without prices."
    )


class UsageDetailSerializer(UsageItemSerializer):
    """All of a row."""

    request_model = _text()
    config_scope = _text()
    service_tier = _text()
    response_id = _text()
    source_type = _text()
    is_streaming = serializers.BooleanField()
    trace_sampled = serializers.BooleanField(allow_null=True)
    first_chunk_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    recorded_at = serializers.DateTimeField(allow_null=True)
    usage_raw = serializers.JSONField(allow_null=True, help_text="The provider's own usage object.")
    price_snapshot = serializers.JSONField(allow_null=True, help_text="The unit prices, as exact decimals.")
    cost_details = CostDetailsSerializer()
    attempts = UsageItemSerializer(many=True, help_text="Of the same call, this one too; the first 100.")
