"""The host for a WSGI server: `gunicorn example.host.wsgi`."""

from __future__ import annotations

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

from example.host import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.host.settings")
tracing.configure()
application = StaticFilesHandler(get_wsgi_application())
