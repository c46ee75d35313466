"""`llm-config/<uuid>/changes/`: the trail of one configuration, also after it was deleted."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agentcore_metering.adapters.django.api.errors import not_found
from agentcore_metering.adapters.django.api.schema import PAGE_PARAMETERS, answers
from agentcore_metering.adapters.django.api.serializers.config_changes import ConfigChangePageSerializer
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView
from agentcore_metering.adapters.django.config.trail import changes_page
from agentcore_metering.adapters.django.stats import parse_usage_query

__all__ = ["ConfigChangesView"]


class ConfigChangesView(MeteringView):
    """Who changed what of a configuration, and when."""

    @extend_schema(
        tags=[TAG],
        summary="Changes of a configuration, newest first",
        parameters=[parameter for parameter in PAGE_PARAMETERS if parameter.name in ("page", "page_size")],
        responses=answers(ConfigChangePageSerializer, 404),
    )
    def get(self, request: Request, config_ref: UUID) -> Response:
        """404 where there never was such a configuration, or it was neither changed nor deleted since the trail began."""
        query = parse_usage_query({name: request.query_params.get(name, "") for name in ("page", "page_size")})
        page = changes_page(config_ref, query.page, query.page_size)
        if page is None:
            raise not_found()
        return Response(ConfigChangePageSerializer(page).data)
