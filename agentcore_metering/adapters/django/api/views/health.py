"""`health/`: whether usage rows come in."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE

from agentcore_metering.adapters.django.api.schema import answers
from agentcore_metering.adapters.django.api.serializers.health import HealthSerializer
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView
from agentcore_metering.adapters.django.persistence.status import DATABASE_UNREACHABLE, read_status

__all__ = ["HealthView"]


class HealthView(MeteringView):
    """The side-channel of this machine. A host mounts it with permissions of its own for a probe that has no login."""

    needs = "view_usage"

    @extend_schema(
        tags=[TAG],
        summary="Whether usage rows come in",
        responses={**answers(HealthSerializer), HTTP_503_SERVICE_UNAVAILABLE: HealthSerializer},
    )
    def get(self, request: Request) -> Response:
        """200 where there is no problem, else 503. Asks the database once and no provider."""
        status = read_status()
        return Response(status.as_document(), HTTP_200_OK if status.is_ok else HTTP_503_SERVICE_UNAVAILABLE)

    def handle_exception(self, exc: Exception) -> Response:
        """503 also where the database was away already when the caller's name was looked up: it tells him nothing else."""
        if isinstance(exc, (DatabaseError, InterfaceError)):
            problem = {"code": DATABASE_UNREACHABLE, "detail": "The database does not answer."}
            return Response({"status": "degraded", "problems": [problem]}, HTTP_503_SERVICE_UNAVAILABLE)
        return super().handle_exception(exc)
