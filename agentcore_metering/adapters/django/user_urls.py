"""What a host includes for its users, behind its own prefix: each sees and tries what is his own."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from agentcore_metering.adapters.django.api.views.own_configs import (
    OwnConfigTestView,
    OwnDecisionTestView,
    OwnFallbackResetView,
    OwnFallbackView,
    OwnModelsView,
    OwnProvidersView,
    OwnTestCallView,
)
from agentcore_metering.adapters.django.api.views.own_usage import OwnStatsView, OwnUsageView

__all__ = ["app_name", "urlpatterns"]

app_name = "agentcore_metering_user"

urlpatterns: list[URLPattern | URLResolver] = [
    path("llm-config/models", OwnModelsView.as_view(), name="models"),
    path("llm-config/providers", OwnProvidersView.as_view(), name="providers"),
    path("llm-config/test", OwnConfigTestView.as_view(), name="test"),
    path("llm-config/test-call", OwnTestCallView.as_view(), name="test-call"),
    path("llm-config/decision-test", OwnDecisionTestView.as_view(), name="decision-test"),
    path("llm-config/<uuid:config_uuid>/fallback", OwnFallbackView.as_view(), name="fallback"),
    path("llm-config/<uuid:config_uuid>/fallback/reset", OwnFallbackResetView.as_view(), name="fallback-reset"),
    path("my/usage/", OwnUsageView.as_view(), name="my-usage"),
    path("my/stats/", OwnStatsView.as_view(), name="my-stats"),
]
