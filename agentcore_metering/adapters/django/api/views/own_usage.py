"""A user's own figures, for hosts that let users see them: mounted by `user_urls`, never part of the admin API.

The rows are those of the caller, whatever the query string says, and of each row only what was his own doing: no error texts, traces,
metadata or configurations, which may tell of the project's insides.
"""

from __future__ import annotations

from collections.abc import Mapping

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from agentcore_metering.adapters.django.api.schema import (
    MODEL_PARAMETERS,
    PAGE_PARAMETERS,
    PERIOD_PARAMETERS,
    SERIES_PARAMETERS,
    answers,
)
from agentcore_metering.adapters.django.api.serializers.own_usage import OwnUsagePageSerializer
from agentcore_metering.adapters.django.api.serializers.stats import TokenStatsSerializer
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView
from agentcore_metering.adapters.django.stats import parse_stats_query, parse_usage_query, token_stats, usage_page

__all__ = ["OwnStatsView", "OwnUsageView"]

# A filter by what is not shown would tell it all the same, guess by guess.
_LIST_PARAMETERS = frozenset({"page", "page_size", "model", "success", "start_date", "end_date", "user_id"})


class OwnUsageView(MeteringView):
    """The caller's own usage rows."""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        tags=[TAG],
        summary="My usage, newest first",
        parameters=[*PAGE_PARAMETERS, *MODEL_PARAMETERS, *PERIOD_PARAMETERS],
        responses=answers(OwnUsagePageSerializer, 400),
    )
    def get(self, request: Request) -> Response:
        """A page behind the last one is empty; `user_id` plays no part."""
        params = {name: text for name, text in _own(request).items() if name in _LIST_PARAMETERS}
        return Response(OwnUsagePageSerializer(usage_page(parse_usage_query(params))).data)


class OwnStatsView(MeteringView):
    """Totals of the caller's own usage."""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        tags=[TAG],
        summary="Totals and series of my usage",
        parameters=[*PERIOD_PARAMETERS, *SERIES_PARAMETERS],
        responses=answers(TokenStatsSerializer, 400),
    )
    def get(self, request: Request) -> Response:
        """As `token-stats/`, of the caller alone."""
        return Response(token_stats(parse_stats_query(_own(request))))


def _own(request: Request) -> Mapping[str, str]:
    pk = request.user.pk
    # An empty parameter means everybody.
    if pk is None or not str(pk).strip():
        raise NotAuthenticated
    return {**request.query_params.dict(), "user_id": str(request.user.pk)}
