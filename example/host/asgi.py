"""The host for an ASGI server: `uvicorn example.host.asgi:application`."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from example.host import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.host.settings")
tracing.configure()
application = get_asgi_application()
