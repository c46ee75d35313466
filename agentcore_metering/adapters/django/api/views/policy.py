"""`metering-config/`: retention and schedules."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agentcore_metering.adapters.django.api.schema import answers
from agentcore_metering.adapters.django.api.serializers.policy import PolicySerializer
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView, read_body
from agentcore_metering.adapters.django.config.policy import change_policy, read_policy

__all__ = ["MeteringConfigView"]


class MeteringConfigView(MeteringView):
    """How long usage is kept, and when the periodic work runs."""

    @extend_schema(tags=[TAG], summary="Retention and schedules", responses=answers(PolicySerializer))
    def get(self, request: Request) -> Response:
        """The values in force."""
        return Response(PolicySerializer(read_policy()).data)

    @extend_schema(
        tags=[TAG],
        summary="Change retention or schedules",
        request=PolicySerializer,
        responses=answers(PolicySerializer, 400, 415),
    )
    def patch(self, request: Request) -> Response:
        """All of the values sent are stored, or none."""
        changes = read_body(PolicySerializer, request, partial=True).validated_data
        return Response(PolicySerializer(change_policy(changes)).data)
