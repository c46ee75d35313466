"""The document of `health/`, for its description; `persistence.status` makes it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

__all__ = ["HealthSerializer"]


class FindingSerializer(serializers.Serializer[Any]):
    """One thing that somebody should know of."""

    code = serializers.CharField(help_text="Stable, such as database_unreachable or backlog_too_old.")
    detail = serializers.CharField()


class DatabaseSerializer(serializers.Serializer[Any]):
    """The database of the usage rows."""

    alias = serializers.CharField()
    is_reachable = serializers.BooleanField()


class SpoolSerializer(serializers.Serializer[Any]):
    """The directory of the journal."""

    directory = serializers.CharField()
    max_bytes = serializers.IntegerField()
    used_bytes = serializers.IntegerField()
    free_bytes = serializers.IntegerField(allow_null=True)
    quarantined_records = serializers.IntegerField()
    corrupt_segments = serializers.IntegerField()
    newer_segments = serializers.IntegerField()


class BacklogSerializer(serializers.Serializer[Any]):
    """Records on their way to the database."""

    records = serializers.IntegerField()
    bytes = serializers.IntegerField()
    oldest_age_s = serializers.FloatField(allow_null=True, help_text="Seconds since the oldest of them ended.")


class OwnerSerializer(BacklogSerializer):
    """What one process has in the spool."""

    owner = serializers.CharField(help_text="Host, pid and a random part.")
    is_alive = serializers.BooleanField()
    segments = serializers.IntegerField()


class HealthSerializer(serializers.Serializer[Any]):
    """How the side-channel of this machine stands. Without the database's answer no one is known, so only `status` and `problems`."""

    status = serializers.ChoiceField(["ok", "degraded"])
    problems = FindingSerializer(many=True)
    notices = FindingSerializer(many=True, required=False)
    mode = serializers.ChoiceField(["journal", "inline"], required=False)
    database = DatabaseSerializer(required=False)
    spool = SpoolSerializer(required=False)
    backlog = BacklogSerializer(required=False)
    owners = OwnerSerializer(many=True, required=False)
