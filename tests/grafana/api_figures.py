"""`python -m tests.grafana.api_figures`: what the REST API's token statistics say, as JSON."""

from __future__ import annotations

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - after setup
from django.test import Client  # noqa: E402 - after setup

client = Client()
client.force_login(get_user_model().objects.get(username="admin"))
print(client.get("/api/v1/admin/token-stats/", headers={"host": "localhost"}).content.decode())  # noqa: T201 - its answer
