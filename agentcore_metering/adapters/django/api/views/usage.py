"""`llm-usage/`: the rows themselves."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agentcore_metering.adapters.django.api.schema import PAGE_PARAMETERS, PERIOD_PARAMETERS, USER_PARAMETER
from agentcore_metering.adapters.django.api.serializers.usage import UsagePageSerializer
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView
from agentcore_metering.adapters.django.stats import parse_usage_query, usage_page

__all__ = ["UsageListView"]


class UsageListView(MeteringView):
    """Usage rows, one for each request to a provider."""

    needs = "view_usage"

    @extend_schema(
        tags=[TAG],
        summary="Usage rows, newest first",
        parameters=[*PAGE_PARAMETERS, *PERIOD_PARAMETERS, USER_PARAMETER],
        responses=UsagePageSerializer,
    )
    def get(self, request: Request) -> Response:
        """A page behind the last one is empty."""
        return Response(usage_page(parse_usage_query(request.query_params)))
