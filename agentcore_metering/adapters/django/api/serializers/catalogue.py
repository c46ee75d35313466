"""The catalogue as OpenAPI describes it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

__all__ = ["ModelCatalogueSerializer", "ProviderCatalogueSerializer"]


class _DecisionKeysSerializer(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's key, not the field's
    requires_api_base = serializers.BooleanField()
    requires_account_id = serializers.BooleanField()
    api_key_required = serializers.BooleanField()
    required = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]  # as above
    optional = serializers.ListField(child=serializers.CharField())
    editable_params = serializers.ListField(child=serializers.CharField())
    default_model = serializers.CharField(allow_blank=True)
    default_api_base = serializers.CharField(allow_blank=True)
    default_num_retries = serializers.IntegerField()
    models = serializers.ListField(child=serializers.CharField())


class _ProviderKeysSerializer(serializers.Serializer[Any]):
    required = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment]  # the contract's key, not the field's
    optional = serializers.ListField(child=serializers.CharField())
    editable_params = serializers.ListField(child=serializers.CharField())
    default_model = serializers.CharField(allow_null=True)
    default_api_base = serializers.CharField(allow_null=True)
    default_temperature = serializers.FloatField()
    default_top_p = serializers.FloatField()
    default_max_tokens = serializers.IntegerField()
    default_num_retries = serializers.IntegerField()
    decision = _DecisionKeysSerializer(required=False)
    # What follows is there for a provider of decision models alone.
    model_types = serializers.ListField(child=serializers.CharField(), required=False)
    label = serializers.CharField(required=False)  # type: ignore[assignment]  # the contract's key, not the field's
    requires_api_base = serializers.BooleanField(required=False)
    requires_account_id = serializers.BooleanField(required=False)
    api_key_required = serializers.BooleanField(required=False)
    models = serializers.ListField(child=serializers.CharField(), required=False)


class ProviderCatalogueSerializer(serializers.Serializer[Any]):
    """The keys of each provider, by its id."""

    providers = serializers.DictField(child=_ProviderKeysSerializer())


class _ReferencePricingSerializer(serializers.Serializer[Any]):
    input_usd_per_1m = serializers.FloatField()
    output_usd_per_1m = serializers.FloatField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]  # the contract's key, not the field's
    updated = serializers.CharField(allow_null=True)


class _ModelSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's key, not the field's
    capabilities = serializers.ListField(child=serializers.CharField())
    max_input_tokens = serializers.IntegerField(allow_null=True)
    max_output_tokens = serializers.IntegerField(allow_null=True)
    mode = serializers.CharField()
    reference_pricing = _ReferencePricingSerializer(required=False)


class _ProviderModelsSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's key, not the field's
    models = _ModelSerializer(many=True)
    model_types = serializers.ListField(child=serializers.CharField())
    default_api_base = serializers.CharField(allow_null=True)


class ModelCatalogueSerializer(serializers.Serializer[Any]):
    """Providers with their models, and what the capabilities are called."""

    providers = _ProviderModelsSerializer(many=True)
    capability_labels = serializers.DictField(child=serializers.CharField())
