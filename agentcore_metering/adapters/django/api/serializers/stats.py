"""The document of `token-stats/`, for its description; `stats.shapes` makes it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

__all__ = ["TokenStatsSerializer"]

COST_STATUSES = ["empty", "unavailable", "partial", "priced"]


class CurrencyTotalSerializer(serializers.Serializer[Any]):
    """The cost in one currency."""

    currency = serializers.CharField()
    amount = serializers.CharField(help_text="Exact decimal with 12 places.")
    total_cost = serializers.FloatField()
    priced_calls = serializers.IntegerField()


class SpeedSerializer(serializers.Serializer[Any]):
    """How fast succeeded rows were; null where there are none. Percentiles are from histograms whose bounds are 1.41 apart."""

    avg_e2e_latency_sec = serializers.FloatField(allow_null=True)
    p50_e2e_latency_sec = serializers.FloatField(allow_null=True)
    p95_e2e_latency_sec = serializers.FloatField(allow_null=True)
    p99_e2e_latency_sec = serializers.FloatField(allow_null=True)
    avg_ttft_sec = serializers.FloatField(allow_null=True)
    p50_ttft_sec = serializers.FloatField(allow_null=True, help_text="Time to the first chunk, of streams.")
    p95_ttft_sec = serializers.FloatField(allow_null=True)
    p99_ttft_sec = serializers.FloatField(allow_null=True)
    avg_output_tps = serializers.FloatField(allow_null=True, help_text="All completion tokens by all seconds.")
    cache_hit_share = serializers.FloatField(
        allow_null=True, help_text="Cached tokens by all prompt tokens, 0 to 1, of all rows."
    )


class SumsSerializer(SpeedSerializer):
    """What all levels have."""

    total_prompt_tokens = serializers.IntegerField()
    total_completion_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    total_cached_tokens = serializers.IntegerField()
    total_cache_write_tokens = serializers.IntegerField()
    total_reasoning_tokens = serializers.IntegerField()
    costs = CurrencyTotalSerializer(many=True, help_text="By currency; never added up over currencies.")
    priced_calls = serializers.IntegerField(help_text="Rows whose cost is known, a known zero included.")
    unpriced_calls = serializers.IntegerField(help_text="Rows whose cost is unknown.")
    cost_status = serializers.ChoiceField(COST_STATUSES)


class TotalsSerializer(SumsSerializer):
    """Sums over the rows of a period, a model or a bucket. A row is one request to a provider."""

    total_cost = serializers.FloatField(help_text="In total_cost_currency; 0 where no cost is known.")
    total_cost_currency = serializers.CharField(help_text="The currency of most priced rows.")
    total_calls = serializers.IntegerField()
    successful_calls = serializers.IntegerField()
    failed_calls = serializers.IntegerField()
    cancelled_calls = serializers.IntegerField()
    logical_calls = serializers.IntegerField(
        help_text="Calls, however many requests each of them took; counted where the first of these is."
    )
    streamed_calls = serializers.IntegerField()


class ModelTotalsSerializer(TotalsSerializer):
    """Sums of one model."""

    model = serializers.CharField()


class BucketTotalsSerializer(TotalsSerializer):
    """Sums of one bucket."""

    bucket = serializers.CharField(help_text="Its first moment, or the day, in UTC or in `tz`.")


class SeriesSerializer(serializers.Serializer[Any]):
    """Buckets in order."""

    granularity = serializers.CharField()
    items = BucketTotalsSerializer(many=True)


class ModelBucketSerializer(SumsSerializer):
    """One model in one bucket. Averages are over succeeded rows; null where there is nothing to average."""

    bucket = serializers.CharField()
    model = serializers.CharField()
    call_count = serializers.IntegerField()
    success_count = serializers.IntegerField()
    total_cost = serializers.FloatField(allow_null=True)
    cost_currency = serializers.CharField()


class TokenStatsSerializer(serializers.Serializer[Any]):
    """Totals and series."""

    summary = TotalsSerializer()
    by_model = ModelTotalsSerializer(many=True)
    series = SeriesSerializer(allow_null=True)
    expected_buckets = serializers.ListField(child=serializers.CharField(), allow_null=True)
    series_by_model = ModelBucketSerializer(many=True, required=False)
