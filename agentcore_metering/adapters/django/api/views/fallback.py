"""`llm-config/<uuid>/fallback`: what happens when a configuration fails. Without a slash at the end, as the reference has it."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agentcore_metering.adapters.django.api.errors import not_found
from agentcore_metering.adapters.django.api.schema import answers
from agentcore_metering.adapters.django.api.serializers.fallback import FallbackSerializer, FallbackWriteSerializer
from agentcore_metering.adapters.django.api.views.base import TAG, ConfigsView, read_body
from agentcore_metering.adapters.django.config.fallback_editing import fallback_view, reset_fallback, save_fallback
from agentcore_metering.adapters.django.models import LLMConfig

__all__ = ["FallbackResetView", "FallbackView"]


class _OneConfigView(ConfigsView):
    def find(self, request: Request, config_uuid: UUID) -> LLMConfig:
        """The one that the address names; 404 where the caller has none such."""
        row = self.visible(request).filter(uuid=config_uuid).first()
        if row is None:
            raise not_found()
        return row


@extend_schema(tags=[TAG])
class FallbackView(_OneConfigView):
    """The policy of one configuration."""

    @extend_schema(summary="Fallback policy", responses=answers(FallbackSerializer, 404))
    def get(self, request: Request, config_uuid: UUID) -> Response:
        """With the configurations that could be chosen, and which of those chosen are in use."""
        return Response(fallback_view(self.find(request, config_uuid)))

    @extend_schema(
        summary="Set the fallback policy",
        request=FallbackWriteSerializer,
        responses=answers(FallbackSerializer, 400, 404, 415),
    )
    def put(self, request: Request, config_uuid: UUID) -> Response:
        """The whole policy, absent keys with their defaults; null takes it away."""
        row = self.find(request, config_uuid)
        sent = read_body(FallbackWriteSerializer, request).validated_data["fallback"]
        return Response(fallback_view(save_fallback(row, sent)))


class FallbackResetView(_OneConfigView):
    """The end of a cool-down."""

    @extend_schema(tags=[TAG], summary="End the cool-downs", request=None, responses=answers(FallbackSerializer, 404))
    def post(self, request: Request, config_uuid: UUID) -> Response:
        """The configuration and those of its policy are in use again."""
        row = self.find(request, config_uuid)
        reset_fallback(row)
        return Response(fallback_view(row))
