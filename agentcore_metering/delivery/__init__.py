"""The side-channel between a call and the database, free of Django: records wait here until they are rows."""

from __future__ import annotations
