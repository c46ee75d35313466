"""Bodies of the test endpoints."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from agentcore_metering.adapters.django.api.limits import (
    DEFAULT_TEST_TOKENS,
    MAX_DECISION_TEXT_LENGTH,
    MAX_TEST_PROMPT_LENGTH,
    MAX_TEST_TOKENS,
)
from agentcore_metering.adapters.django.api.serializers.configs import OptionsField
from agentcore_metering.adapters.django.models import LLMConfig
from agentcore_metering.adapters.django.translated import translated
from agentcore_metering.core.decisions import MAX_QUESTIONS, require_decision
from agentcore_metering.core.errors import RequestError

__all__ = [
    "DecisionResultSerializer",
    "DecisionTrialSerializer",
    "TrialCallSerializer",
    "TrialConfigSerializer",
    "TrialResultSerializer",
]

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
    model_type = serializers.ChoiceField(LLMConfig.MODEL_TYPES, required=False, allow_null=True, default=None)

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


class DecisionTrialSerializer(serializers.Serializer[Any]):
    """Questions about a text, for a stored configuration or for one that a form holds."""

    config_uuid = serializers.UUIDField(required=False, allow_null=True, default=None)
    provider = serializers.CharField(max_length=50, default="litellm_proxy")
    config = OptionsField(default=dict)
    input = serializers.CharField(max_length=MAX_DECISION_TEXT_LENGTH, trim_whitespace=False)
    questions = serializers.ListField(child=serializers.DictField(), min_length=1, max_length=MAX_QUESTIONS)
    stream = serializers.BooleanField(default=False)

    def validate_provider(self, provider: str) -> str:
        """In lower case, as providers are listed."""
        return provider.lower()

    def validate_stream(self, stream: bool) -> bool:
        """False, or absent."""
        if stream:
            raise serializers.ValidationError(gettext("Decisions do not stream."))
        return stream

    def validate_questions(self, questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Such as can be asked."""
        try:
            require_decision("-", questions)
        except RequestError as error:
            raise serializers.ValidationError(translated(error)) from None
        return questions


class DecisionResultSerializer(serializers.Serializer[Any]):
    """What came of it: `answers` and `usage`, or `detail` and `error_key` of a failure."""

    ok = serializers.BooleanField()
    detail = serializers.CharField(required=False)
    error_key = serializers.CharField(required=False)
    answers = serializers.ListField(child=serializers.DictField(), required=False)
    usage = serializers.DictField(required=False)


class TrialResultSerializer(serializers.Serializer[Any]):
    """What came of it; `content` and `usage` of a call, `detail` and `error_key` of a failure."""

    ok = serializers.BooleanField()
    detail = serializers.CharField(required=False)
    error_key = serializers.CharField(required=False)
    content = serializers.CharField(required=False)
    usage = serializers.DictField(required=False)
