"""What a host includes for its users, behind its own prefix: each sees his own figures alone."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from agentcore_metering.adapters.django.api.views.own_usage import OwnStatsView, OwnUsageView

__all__ = ["app_name", "urlpatterns"]

app_name = "agentcore_metering_user"

urlpatterns: list[URLPattern | URLResolver] = [
    path("my/usage/", OwnUsageView.as_view(), name="my-usage"),
    path("my/stats/", OwnStatsView.as_view(), name="my-stats"),
]
