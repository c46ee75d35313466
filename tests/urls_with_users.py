"""A host project's URLs that lets its users test configurations of their own."""

from __future__ import annotations

from django.urls import include, path

from tests.urls import urlpatterns as admin_patterns

urlpatterns = [*admin_patterns, path("api/v1/user/", include("agentcore_metering.adapters.django.user_urls"))]
