"""`llm-config/`, `llm-config/all/` and `llm-config/<ref>/`: configurations by themselves."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from agentcore_metering.adapters.django.api.errors import bad_request, not_found
from agentcore_metering.adapters.django.api.schema import (
    CONFIG_PARAMETERS,
    MODEL_TYPE_PARAMETER,
    USER_PARAMETER,
    answers,
)
from agentcore_metering.adapters.django.api.serializers.configs import (
    ConfigSerializer,
    ConfigWriteSerializer,
    NewConfigSerializer,
    show,
    show_all,
)
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView, read_body
from agentcore_metering.adapters.django.config.editing import configs, create_config, update_config
from agentcore_metering.adapters.django.config.listing import list_configs, of_model_type
from agentcore_metering.adapters.django.config.users import find_user
from agentcore_metering.adapters.django.models import LLMConfig

__all__ = ["AllConfigsView", "ConfigDetailView", "GlobalConfigsView"]

_REF = OpenApiParameter(
    "config_ref", str, OpenApiParameter.PATH, description="The configuration's uuid, or its older id."
)


class GlobalConfigsView(MeteringView):
    """Configurations of everybody."""

    @extend_schema(
        tags=[TAG],
        summary="Global configurations",
        parameters=[MODEL_TYPE_PARAMETER],
        responses=answers(ConfigSerializer(many=True), 400),
    )
    def get(self, request: Request) -> Response:
        """In the order in which they were made."""
        rows = of_model_type(configs().filter(scope=LLMConfig.Scope.GLOBAL), request.query_params)
        return Response(show_all(rows.order_by("created_at", "id")))

    @extend_schema(
        tags=[TAG],
        summary="New configuration",
        request=NewConfigSerializer,
        responses=answers(ConfigSerializer, 400, 415, status=201),
    )
    def post(self, request: Request) -> Response:
        """Global, or with `scope` user that of the user `user_id`."""
        body = read_body(NewConfigSerializer, request)
        owner = None
        if body.validated_data["scope"] == LLMConfig.Scope.USER:
            owner = find_user(body.validated_data["user_id"])
            if owner is None:
                raise bad_request("User not found.")
        return Response(show(create_config(body.to_change(), owner)), status=HTTP_201_CREATED)


class AllConfigsView(MeteringView):
    """Configurations of every scope."""

    @extend_schema(
        tags=[TAG],
        summary="All configurations",
        parameters=[*CONFIG_PARAMETERS, MODEL_TYPE_PARAMETER, USER_PARAMETER],
        responses=answers(ConfigSerializer(many=True), 400),
    )
    def get(self, request: Request) -> Response:
        """Global ones first; `user_id` counts with `scope` user only."""
        return Response(show_all(list_configs(request.query_params)))


@extend_schema(tags=[TAG], parameters=[_REF])
class ConfigDetailView(MeteringView):
    """One configuration of any scope and model type."""

    @extend_schema(summary="One configuration", responses=answers(ConfigSerializer, 404))
    def get(self, request: Request, config_ref: UUID | int) -> Response:
        """With its secrets masked."""
        return Response(show(_find(config_ref)))

    @extend_schema(
        summary="Change a configuration",
        request=ConfigWriteSerializer,
        responses=answers(ConfigSerializer, 400, 404, 415),
    )
    def put(self, request: Request, config_ref: UUID | int) -> Response:
        """What is absent stays; a masked secret stays unless provider or address change."""
        row = _find(config_ref)
        change = read_body(ConfigWriteSerializer, request, partial=True).to_change()
        return Response(show(update_config(row, change)))

    @extend_schema(summary="Delete a configuration", responses=answers(None, 404, status=204))
    def delete(self, request: Request, config_ref: UUID | int) -> Response:
        """For good."""
        _find(config_ref).delete()
        return Response(status=HTTP_204_NO_CONTENT)


def _find(ref: UUID | int) -> LLMConfig:
    rows = configs().filter(uuid=ref) if isinstance(ref, UUID) else configs().filter(pk=ref)
    row: LLMConfig | None = rows.select_related("user").first()
    if row is None:
        raise not_found()
    return row
