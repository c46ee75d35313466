"""Bodies of the fallback endpoints. Which values a policy takes is `config.fallback`'s to say."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

__all__ = ["FallbackSerializer", "FallbackWriteSerializer"]


class FallbackWriteSerializer(serializers.Serializer[Any]):
    """A policy, or null for none."""

    fallback = serializers.JSONField(allow_null=True)


class FallbackSerializer(serializers.Serializer[Any]):
    """A policy as it is stored and in force, and what could be chosen for it."""

    fallback = serializers.DictField(allow_null=True)
    defaults = serializers.DictField()
    effective_policy = serializers.DictField(allow_null=True)
    inherited_from = serializers.UUIDField(allow_null=True)
    backups = serializers.ListField(child=serializers.DictField())
    candidates = serializers.ListField(child=serializers.DictField())
    inheritance = serializers.DictField()
    health = serializers.ListField(child=serializers.DictField())
