"""`reconcile/`: whether rows, rollups and the counters of the metrics tell the same."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_503_SERVICE_UNAVAILABLE

from agentcore_metering.adapters.django.api.errors import Conflict
from agentcore_metering.adapters.django.api.schema import answers
from agentcore_metering.adapters.django.api.serializers.reconcile import (
    ReconcileQuerySerializer,
    ReconciliationSerializer,
)
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView
from agentcore_metering.adapters.django.conf import metering_settings
from agentcore_metering.adapters.django.reconcile import Hours, MetricsEngine, MetricsUnavailable, reconcile

__all__ = ["ReconcileView"]


class ReconcileView(MeteringView):
    """The same as the command `metering_reconcile`. Prometheus' address comes from the settings alone."""

    needs = "view_usage"

    @extend_schema(
        tags=[TAG],
        summary="Compare rows, rollups and counters",
        parameters=[ReconcileQuerySerializer],
        responses=answers(ReconciliationSerializer, 400, 409, HTTP_503_SERVICE_UNAVAILABLE),
    )
    def get(self, request: Request) -> Response:
        """200 whether they agree or not; 409 where the settings name no Prometheus, 503 where it cannot be asked."""
        query = ReconcileQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        url = metering_settings.PROMETHEUS_URL
        if url is None:
            raise Conflict(_("AGENTCORE_METERING_PROMETHEUS_URL is not set."))
        try:
            hours = Hours.last(asked["hours"], timezone.now())
            found = reconcile(MetricsEngine(url), hours, asked["service"], asked["tolerance"])
        except MetricsUnavailable:
            detail = _("Prometheus did not answer as it should; metering_reconcile says more.")
            return Response({"detail": detail}, HTTP_503_SERVICE_UNAVAILABLE)
        return Response(found.as_document())
