"""Frameworks that the meter plugs into."""

from __future__ import annotations
