"""Measurements; see README.md."""

from __future__ import annotations
