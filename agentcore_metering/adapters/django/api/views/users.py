"""`users/`: whose usage can be asked for."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agentcore_metering.adapters.django.api.schema import answers
from agentcore_metering.adapters.django.api.serializers.users import UserSerializer
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView
from agentcore_metering.adapters.django.config.users import all_users

__all__ = ["UserListView"]


class UserListView(MeteringView):
    """The host's users, for a filter's drop-down."""

    needs = "view_usage"

    @extend_schema(tags=[TAG], summary="All users", responses=answers(UserSerializer(many=True)))
    def get(self, request: Request) -> Response:
        """Every user; the caller alone where users are not kept in the database."""
        users: list[Any] = list(all_users()) or [request.user]
        return Response(UserSerializer(users, many=True).data)
