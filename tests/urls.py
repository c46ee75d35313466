"""A host project's URLs: ours under its own prefixes, and Django's admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/v1/admin/", include("agentcore_metering.adapters.django.urls")),
    path("api/v1/user/", include("agentcore_metering.adapters.django.user_urls")),
    path("admin/", admin.site.urls),
]
