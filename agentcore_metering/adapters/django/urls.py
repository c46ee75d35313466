"""What a host includes: the REST API's URLs. The prefix is the host's, the views are the `api` package's."""

from __future__ import annotations

from agentcore_metering.adapters.django.api.urls import urlpatterns

__all__ = ["app_name", "urlpatterns"]

app_name = "agentcore_metering"
