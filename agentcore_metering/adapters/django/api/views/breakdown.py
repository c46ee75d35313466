"""`usage-breakdown/`: usage by up to three dimensions."""

from __future__ import annotations

from django.db import transaction
from django.utils.decorators import method_decorator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agentcore_metering.adapters.django.api.schema import BREAKDOWN_PARAMETERS, PERIOD_PARAMETERS, TZ_PARAMETER, answers
from agentcore_metering.adapters.django.api.serializers.breakdown import UsageBreakdownSerializer
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView
from agentcore_metering.adapters.django.stats import parse_breakdown_query, usage_breakdown

__all__ = ["UsageBreakdownView"]


# It changes nothing, and holds its moment by a transaction of its own, which it cannot have within one of the host's.
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class UsageBreakdownView(MeteringView):
    """Usage by model, user, node, time and more."""

    needs = "view_usage"

    @extend_schema(
        tags=[TAG],
        summary="LLM usage by up to three dimensions",
        parameters=[*PERIOD_PARAMETERS, TZ_PARAMETER, *BREAKDOWN_PARAMETERS],
        responses=answers(UsageBreakdownSerializer),
    )
    def get(self, request: Request) -> Response:
        """Every figure is exactly that of the usage rows of this moment; the rows and `other` are together the total."""
        return Response(usage_breakdown(parse_breakdown_query(dict(request.query_params.lists()))))
