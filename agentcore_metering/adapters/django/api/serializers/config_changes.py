"""The body of `llm-config/<uuid>/changes/`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agentcore_metering.adapters.django.models import LLMConfigChange

__all__ = ["ConfigChangePageSerializer", "ConfigChangeSerializer"]


class ConfigChangeSerializer(serializers.Serializer[LLMConfigChange]):
    """One change: by whom and of which keys; never a value."""

    changed_at = serializers.DateTimeField(read_only=True)
    action = serializers.ChoiceField(LLMConfigChange.Action.choices, read_only=True)
    keys = serializers.ListField(child=serializers.CharField(), read_only=True)
    owner_id = serializers.CharField(read_only=True, help_text="Empty: a global configuration.")
    actor_id = serializers.CharField(read_only=True, help_text="Empty: nobody is known.")
    actor_name = serializers.CharField(read_only=True)
    via = serializers.CharField(read_only=True, help_text="api, admin, code, or cascade: its user was deleted.")


class ConfigChangePageSerializer(serializers.Serializer[Any]):
    """A page of changes, newest first."""

    results = ConfigChangeSerializer(many=True, read_only=True)
    total = serializers.IntegerField(read_only=True)
    page = serializers.IntegerField(read_only=True)
    page_size = serializers.IntegerField(read_only=True)
