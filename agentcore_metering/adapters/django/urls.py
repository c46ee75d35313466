"""The REST API's URL names. The prefix is the host's, the views are the `api` package's."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

app_name = "agentcore_metering"

urlpatterns: list[URLPattern | URLResolver] = []
