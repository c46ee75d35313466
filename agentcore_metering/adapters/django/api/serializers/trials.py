"""Bodies of the two test endpoints."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from agentcore_metering.adapters.django.api.limits import DEFAULT_TEST_TOKENS, MAX_TEST_PROMPT_LENGTH, MAX_TEST_TOKENS
from agentcore_metering.adapters.django.api.serializers.configs import OptionsField

__all__ = ["TrialCallSerializer", "TrialConfigSerializer", "TrialResultSerializer"]

MAX_CONFIG_ID = 2**63 - 1


class _ReferenceSerializer(serializers.Serializer[Any]):
    config_uuid = serializers.UUIDField(required=False, allow_null=True, default=None)
    config_id = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=MAX_CONFIG_ID
    )


class TrialConfigSerializer(_ReferenceSerializer):
    """A configuration as a form holds it, with the stored one that its masks are of."""

    provider = serializers.CharField(max_length=50)
    config = OptionsField(default=dict)

    def validate_provider(self, provider: str) -> str:
        """In lower case, as providers are listed."""
        return provider.lower()


class TrialCallSerializer(_ReferenceSerializer):
    """A prompt for a stored configuration."""

    prompt = serializers.CharField(max_length=MAX_TEST_PROMPT_LENGTH)
    max_tokens = serializers.IntegerField(min_value=1, max_value=MAX_TEST_TOKENS, default=DEFAULT_TEST_TOKENS)
    stream = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a call that names no configuration."""
        if attrs["config_uuid"] is None and attrs["config_id"] is None:
            raise serializers.ValidationError(_("Either config_uuid or config_id is required."))
        return attrs


class TrialResultSerializer(serializers.Serializer[Any]):
    """What came of it; `content` and `usage` of a call, `detail` and `error_key` of a failure."""

    ok = serializers.BooleanField()
    detail = serializers.CharField(required=False)
    error_key = serializers.CharField(required=False)
    content = serializers.CharField(required=False)
    usage = serializers.DictField(required=False)
