"""A host project's URLs without a prefix and without Django's admin."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("agentcore_metering.adapters.django.urls"))]
