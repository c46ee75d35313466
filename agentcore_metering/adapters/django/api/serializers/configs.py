"""Bodies of the configuration endpoints. A secret goes in and never comes out: it is shown as a mask."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from agentcore_metering.adapters.django.api.serializers.users import UserPkField
from agentcore_metering.adapters.django.config.editing import ConfigChange, default_config_uuid
from agentcore_metering.adapters.django.config.masking import masked
from agentcore_metering.adapters.django.config.model_info import model_info
from agentcore_metering.adapters.django.config.users import display_name
from agentcore_metering.adapters.django.models import LLMConfig

__all__ = ["ConfigSerializer", "ConfigWriteSerializer", "NewConfigSerializer", "show", "show_all"]


@extend_schema_field(OpenApiTypes.OBJECT)
class OptionsField(serializers.JSONField):
    """The options of a configuration: an object, also as text in a form."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        options = super().to_internal_value(data)
        if not isinstance(options, dict):
            raise serializers.ValidationError(
                gettext("This must be an object, not %(type)s.") % {"type": type(options).__name__}
            )
        return options


class FlagField(serializers.BooleanField):
    """A boolean that in a form, too, is absent rather than false where it was not sent."""

    default_empty_html = empty


class ConfigWriteSerializer(serializers.Serializer[Any]):
    """What of a configuration can be written."""

    provider = serializers.CharField(max_length=50, default="openai")
    config = OptionsField(default=dict)
    model_type = serializers.ChoiceField(LLMConfig.MODEL_TYPES, required=False)
    is_active = FlagField(default=True)
    is_default = FlagField(default=False)

    def validate_provider(self, provider: str) -> str:
        """In lower case, as providers are listed."""
        return provider.lower()

    def to_change(self) -> ConfigChange:
        """What was sent, with defaults where the request is not a partial one."""
        sent = self.validated_data
        return ConfigChange(
            provider=sent.get("provider"),
            options=sent.get("config"),
            model_type=sent.get("model_type"),
            is_active=sent.get("is_active"),
            is_default=sent.get("is_default"),
        )


class NewConfigSerializer(ConfigWriteSerializer):
    """What a new configuration is made of."""

    scope = serializers.ChoiceField(LLMConfig.Scope.choices, default=LLMConfig.Scope.GLOBAL.value)
    user_id = UserPkField(required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A user's configuration needs a user: it must not become everybody's for want of one."""
        if attrs["scope"] == LLMConfig.Scope.USER and attrs["user_id"] is None:
            raise serializers.ValidationError({"user_id": gettext("scope user needs the user's primary key here.")})
        return attrs


class ConfigSerializer(serializers.Serializer[LLMConfig]):
    """A configuration as it is shown; `user_id` and `username` are there only where it has a user."""

    id = serializers.IntegerField(read_only=True)
    uuid = serializers.UUIDField(read_only=True)
    scope = serializers.ChoiceField(LLMConfig.Scope.choices, read_only=True)
    user = UserPkField(source="user_id", read_only=True, allow_null=True)
    # Not read-only: OpenAPI would take these two for always there. Nothing is written by this serializer.
    user_id = UserPkField(required=False)
    username = serializers.CharField(required=False)
    model_type = serializers.CharField(read_only=True)
    provider = serializers.CharField(read_only=True)
    config = serializers.SerializerMethodField()
    model_info = serializers.SerializerMethodField()
    fallback = serializers.JSONField(read_only=True, allow_null=True)
    is_active = serializers.BooleanField(read_only=True)
    is_default = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_config(self, row: LLMConfig) -> dict[str, Any]:
        """With masks in place of secrets."""
        return masked(row.config) if isinstance(row.config, dict) else {}

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_model_info(self, row: LLMConfig) -> dict[str, Any]:
        """What the model takes in and gives out, and whose word that is."""
        return model_info(row.provider, row.config)

    def get_is_default(self, row: LLMConfig) -> bool:
        """Whether a call that names no configuration, for a user without one, gets this one."""
        default_uuid: UUID | None = self.context["default_uuid"]
        return row.uuid == default_uuid

    def to_representation(self, instance: LLMConfig) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        if instance.user is None:
            del shown["user_id"]
        else:
            shown["username"] = display_name(instance.user)
        return shown


def show(row: LLMConfig) -> Any:
    """One configuration as JSON. One query, for the default."""
    return ConfigSerializer(row, context={"default_uuid": default_config_uuid()}).data


def show_all(rows: QuerySet[LLMConfig]) -> Any:
    """Configurations as JSON. One query for the default, and that of `rows`, whose users must come with them."""
    instances: Any = rows  # the stubs do not know `many`
    return ConfigSerializer(instances, many=True, context={"default_uuid": default_config_uuid()}).data
