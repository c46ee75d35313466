"""The suite's URLs, with an answer in JSON where there is none."""

from __future__ import annotations

from tests.urls import urlpatterns

__all__ = ["handler404", "urlpatterns"]

handler404 = "tests.fuzz.host.no_such_url"
