"""`llm-config/providers/` and `llm-config/models/`: what an admin's form offers."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from agentcore_metering.adapters.django.api.schema import answers
from agentcore_metering.adapters.django.api.serializers.catalogue import (
    ModelCatalogueSerializer,
    ProviderCatalogueSerializer,
)
from agentcore_metering.adapters.django.api.views.base import TAG, MeteringView
from agentcore_metering.adapters.django.config.catalogue import (
    CAPABILITY_LABELS,
    model_catalogue,
)
from agentcore_metering.adapters.django.config.provider_catalogue import provider_catalogue

__all__ = ["ModelsView", "ProvidersView"]


class ProvidersView(MeteringView):
    """What each provider's configuration needs."""

    @extend_schema(tags=[TAG], responses=answers(ProviderCatalogueSerializer), summary="Providers and their keys")
    def get(self, request: Request) -> Response:
        """By provider id."""
        return Response({"providers": provider_catalogue()})


class ModelsView(MeteringView):
    """Which models LiteLLM knows."""

    @extend_schema(tags=[TAG], responses=answers(ModelCatalogueSerializer), summary="Models by provider")
    def get(self, request: Request) -> Response:
        """By provider, in the order in which a form shows them."""
        labels = {capability: str(label) for capability, label in CAPABILITY_LABELS.items()}
        return Response({"providers": model_catalogue(), "capability_labels": labels})
