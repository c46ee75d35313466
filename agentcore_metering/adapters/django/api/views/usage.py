"""`llm-usage/`: the rows themselves, as a list, one by one, and as a file."""

from __future__ import annotations

from uuid import UUID

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_200_OK

from agentcore_metering.adapters.django.api.file_stream import AcceptAnything, file_response
from agentcore_metering.adapters.django.api.schema import (
    CURSOR_PARAMETER,
    EXPORT_PARAMETERS,
    PAGE_PARAMETERS,
    PERIOD_PARAMETERS,
    USAGE_FILTER_PARAMETERS,
    USER_PARAMETER,
    answers,
    refused,
)
from agentcore_metering.adapters.django.api.serializers.usage import (
    UsageDetailSerializer,
    UsagePageSerializer,
    UsageWalkSerializer,
)
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView
from agentcore_metering.adapters.django.exports import FORMATS, begin_export
from agentcore_metering.adapters.django.stats import (
    parse_usage_filter,
    parse_usage_query,
    usage_detail,
    usage_page,
    usage_walk,
)
from agentcore_metering.core.errors import InvalidField

__all__ = ["UsageDetailView", "UsageExportView", "UsageListView"]

_FILTERS = (*PERIOD_PARAMETERS, USER_PARAMETER, *USAGE_FILTER_PARAMETERS)
_EXPORT_OPTIONS = ("format", "bom")


class UsageListView(MeteringView):
    """Usage rows, one for each request to a provider."""

    needs = "view_usage"

    @extend_schema(
        tags=[TAG],
        summary="Usage rows, newest first",
        parameters=[*PAGE_PARAMETERS, CURSOR_PARAMETER, *_FILTERS],
        responses=answers(
            PolymorphicProxySerializer(
                component_name="UsageList",
                serializers=[UsagePageSerializer, UsageWalkSerializer],
                resource_type_field_name=None,
            ),
            400,
        ),
    )
    def get(self, request: Request) -> Response:
        """A page by its number, with the total; or, with `cursor`, a walk that is as fast and as exact at any depth."""
        query = parse_usage_query(request.query_params)
        return Response(usage_walk(query) if query.is_by_cursor else usage_page(query))


class UsageDetailView(MeteringView):
    """One usage row."""

    needs = "view_usage"

    @extend_schema(
        tags=[TAG],
        operation_id="llm_usage_detail",  # the list has the name that would be made up for both
        summary="All of one usage row",
        responses=answers(UsageDetailSerializer, 404),
    )
    def get(self, request: Request, usage_id: UUID) -> Response:
        """With what its cost is made of, and every attempt of its call."""
        return Response(usage_detail(usage_id))


class UsageExportView(MeteringView):
    """Usage rows as a file."""

    needs = "view_usage"
    content_negotiation_class = AcceptAnything

    @extend_schema(
        tags=[TAG],
        summary="Usage rows as a file, oldest first",
        parameters=[*EXPORT_PARAMETERS, *_FILTERS],
        responses={
            **refused(400),
            (HTTP_200_OK, "text/csv"): OpenApiTypes.STR,
            (HTTP_200_OK, "application/x-ndjson"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Streamed, in constant memory. A parameter that is not known is refused, so that a misspelt filter selects nothing."""
        query = request.query_params
        filters = parse_usage_filter(query, is_strict=True, others=_EXPORT_OPTIONS)
        name = query.get("format") or "csv"
        if name not in FORMATS:
            params = {"value": name[:64], "known": ", ".join(FORMATS)}
            raise InvalidField("format", "%(value)r is not one of %(known)s.", params)
        file_format = FORMATS[name]
        has_bom = query.get("bom") == "true" and file_format.is_csv
        return file_response(
            begin_export(filters, file_format, has_bom=has_bom).chunks,
            request._request,  # noqa: SLF001 - documented by DRF
            content_type=file_format.content_type,
            filename=f"llm-usage-{timezone.now():%Y%m%dT%H%M%SZ}.{file_format.extension}",
        )
