"""Users as a filter's drop-down shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agentcore_metering.adapters.django.config.users import display_name, parse_user_pk
from agentcore_metering.adapters.django.translated import translated
from agentcore_metering.core.errors import InvalidField

__all__ = ["UserPkField", "UserSerializer"]

_PK_SCHEMA = {"oneOf": [{"type": "integer"}, {"type": "string"}]}


@extend_schema_field(_PK_SCHEMA)
class UserPkField(serializers.Field[Any, Any, Any, Any]):
    """A user's primary key of whichever type the host's user model has."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return parse_user_pk(data)
        except InvalidField as error:
            raise serializers.ValidationError(translated(error)) from None

    def to_representation(self, value: Any) -> Any:
        return value


class UserSerializer(serializers.Serializer[Any]):
    """A user's key and name."""

    id = UserPkField(source="pk", read_only=True)
    username = serializers.SerializerMethodField()

    def get_username(self, user: Any) -> str:
        """Never empty."""
        return display_name(user)
