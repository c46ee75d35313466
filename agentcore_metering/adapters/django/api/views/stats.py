"""`token-stats/`: totals and series."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agentcore_metering.adapters.django.api.schema import PERIOD_PARAMETERS, SERIES_PARAMETERS, USER_PARAMETER
from agentcore_metering.adapters.django.api.serializers.stats import TokenStatsSerializer
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView
from agentcore_metering.adapters.django.stats import parse_stats_query, token_stats

__all__ = ["TokenStatsView"]


class TokenStatsView(MeteringView):
    """Totals of usage, by model and over time."""

    needs = "view_usage"

    @extend_schema(
        tags=[TAG],
        summary="Totals and series of LLM usage",
        parameters=[*PERIOD_PARAMETERS, USER_PARAMETER, *SERIES_PARAMETERS],
        responses=TokenStatsSerializer,
    )
    def get(self, request: Request) -> Response:
        """Every figure is exactly that of the usage rows of this moment, with the currencies kept apart."""
        return Response(token_stats(parse_stats_query(request.query_params)))
