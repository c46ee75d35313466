"""Promises to the outside: imports, settings, documents."""

from __future__ import annotations
