"""The host's own view, the metering API under the host's prefix, and Django's admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from example.host.views import AskView

urlpatterns = [
    path("ask/", AskView.as_view(), name="ask"),
    path("api/v1/admin/", include("agentcore_metering.adapters.django.urls")),
    path("admin/", admin.site.urls),
]
