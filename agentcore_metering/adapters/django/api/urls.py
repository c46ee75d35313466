"""The API's URLs. A UUID is tried before a number, and both after the fixed names."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from agentcore_metering.adapters.django.api.views.breakdown import UsageBreakdownView
from agentcore_metering.adapters.django.api.views.catalogue import ModelsView, ProvidersView
from agentcore_metering.adapters.django.api.views.config_changes import ConfigChangesView
from agentcore_metering.adapters.django.api.views.configs import AllConfigsView, ConfigDetailView, GlobalConfigsView
from agentcore_metering.adapters.django.api.views.decisions import DecisionTestView
from agentcore_metering.adapters.django.api.views.fallback import FallbackResetView, FallbackView
from agentcore_metering.adapters.django.api.views.health import HealthView
from agentcore_metering.adapters.django.api.views.policy import MeteringConfigView
from agentcore_metering.adapters.django.api.views.reconcile import ReconcileView
from agentcore_metering.adapters.django.api.views.stats import TokenStatsView
from agentcore_metering.adapters.django.api.views.trials import ConfigTestView, TestCallView
from agentcore_metering.adapters.django.api.views.usage import UsageDetailView, UsageExportView, UsageListView
from agentcore_metering.adapters.django.api.views.user_configs import UserConfigDetailView, UserConfigsView
from agentcore_metering.adapters.django.api.views.users import UserListView

__all__ = ["urlpatterns"]

urlpatterns: list[URLPattern | URLResolver] = [
    path("health/", HealthView.as_view(), name="health"),
    path("reconcile/", ReconcileView.as_view(), name="reconcile"),
    path("users/", UserListView.as_view(), name="users"),
    path("metering-config/", MeteringConfigView.as_view(), name="metering-config"),
    path("token-stats/", TokenStatsView.as_view(), name="token-stats"),
    path("usage-breakdown/", UsageBreakdownView.as_view(), name="usage-breakdown"),
    path("llm-usage/", UsageListView.as_view(), name="llm-usage"),
    path("llm-usage/export/", UsageExportView.as_view(), name="llm-usage-export"),
    path("llm-usage/<uuid:usage_id>/", UsageDetailView.as_view(), name="llm-usage-detail"),
    path("llm-config/", GlobalConfigsView.as_view(), name="llm-config-global"),
    path("llm-config/all/", AllConfigsView.as_view(), name="llm-config-all"),
    path("llm-config/providers/", ProvidersView.as_view(), name="llm-config-providers"),
    path("llm-config/models/", ModelsView.as_view(), name="llm-config-models"),
    path("llm-config/test/", ConfigTestView.as_view(), name="llm-config-test"),
    path("llm-config/test-call/", TestCallView.as_view(), name="llm-config-test-call"),
    path("llm-config/decision-test", DecisionTestView.as_view(), name="llm-config-decision-test"),
    path("llm-config/users/", UserConfigsView.as_view(), name="llm-config-users"),
    path("llm-config/users/<int:user_id>/", UserConfigDetailView.as_view(), name="llm-config-user-detail"),
    path("llm-config/users/<uuid:user_id>/", UserConfigDetailView.as_view(), name="llm-config-user-detail"),
    path("llm-config/<uuid:config_uuid>/fallback", FallbackView.as_view(), name="llm-config-fallback"),
    path("llm-config/<uuid:config_uuid>/fallback/reset", FallbackResetView.as_view(), name="llm-config-fallback-reset"),
    path("llm-config/<uuid:config_ref>/", ConfigDetailView.as_view(), name="llm-config-detail"),
    path("llm-config/<uuid:config_ref>/changes/", ConfigChangesView.as_view(), name="llm-config-changes"),
    path("llm-config/<int:config_ref>/", ConfigDetailView.as_view(), name="llm-config-detail-legacy"),
]
