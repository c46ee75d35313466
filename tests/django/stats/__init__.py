"""Tests of the stats."""

from __future__ import annotations
