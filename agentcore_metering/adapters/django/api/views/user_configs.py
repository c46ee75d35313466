"""`llm-config/users/` and `llm-config/users/<user>/`: a user's own configuration."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_204_NO_CONTENT

from agentcore_metering.adapters.django.api.errors import Conflict, not_found
from agentcore_metering.adapters.django.api.schema import USER_PARAMETER, answers
from agentcore_metering.adapters.django.api.serializers.configs import (
    ConfigSerializer,
    ConfigWriteSerializer,
    show,
    show_all,
)
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView, read_body
from agentcore_metering.adapters.django.config.editing import configs, create_config, update_config
from agentcore_metering.adapters.django.config.listing import list_user_configs
from agentcore_metering.adapters.django.config.users import find_user
from agentcore_metering.adapters.django.models import LLMConfig

__all__ = ["UserConfigDetailView", "UserConfigsView"]

_USER = OpenApiParameter("user_id", str, OpenApiParameter.PATH, description="The user's primary key.")


class UserConfigsView(MeteringView):
    """Configurations that belong to users."""

    @extend_schema(
        tags=[TAG],
        summary="Users' configurations",
        parameters=[USER_PARAMETER],
        responses=answers(ConfigSerializer(many=True), 400),
    )
    def get(self, request: Request) -> Response:
        """Of any model type."""
        return Response(show_all(list_user_configs(request.query_params)))


@extend_schema(tags=[TAG], parameters=[_USER])
class UserConfigDetailView(MeteringView):
    """The configuration of one user for language models."""

    @extend_schema(summary="A user's configuration", responses=answers(ConfigSerializer, 404, 409))
    def get(self, request: Request, user_id: UUID | int) -> Response:
        """404 where the user has none."""
        row = _only_one(_find_user(user_id))
        if row is None:
            raise not_found("No LLM config for this user. Use PUT to create.")
        return Response(show(row))

    @extend_schema(
        summary="Set a user's configuration",
        request=ConfigWriteSerializer,
        responses=answers(ConfigSerializer, 400, 404, 409, 415),
    )
    def put(self, request: Request, user_id: UUID | int) -> Response:
        """Made where the user has none, else changed: what is absent gets its default, `config` is merged."""
        user = _find_user(user_id)
        row = _only_one(user)
        change = read_body(ConfigWriteSerializer, request).to_change()
        return Response(show(create_config(change, user) if row is None else update_config(row, change)))

    @extend_schema(summary="Delete a user's configurations", responses=answers(None, 404, status=204))
    def delete(self, request: Request, user_id: UUID | int) -> Response:
        """All of them, of any model type."""
        deleted, _by_model = _rows_of(_find_user(user_id)).delete()
        if not deleted:
            raise not_found("No user config to delete.")
        return Response(status=HTTP_204_NO_CONTENT)


def _find_user(user_id: UUID | int) -> Any:
    user = find_user(user_id)
    if user is None:
        raise not_found("User not found.")
    return user


def _rows_of(user: Any) -> QuerySet[LLMConfig]:
    return configs().filter(scope=LLMConfig.Scope.USER, user=user)


def _only_one(user: Any) -> LLMConfig | None:
    rows = (
        _rows_of(user).filter(model_type=LLMConfig.MODEL_TYPE_LLM).select_related("user").order_by("created_at", "id")
    )
    found = list(rows[:2])
    if len(found) > 1:
        raise Conflict(gettext("Multiple user LLM configs exist for this user; use llm-config/<uuid>/ to choose one."))
    return found[0] if found else None
