"""A small Django project as a host of the app: it asks a model inside a request, and traces its requests."""

from __future__ import annotations
