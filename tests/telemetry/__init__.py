"""Tests of the spans and metrics, with a real SDK in memory."""

from __future__ import annotations
