"""Tests of what hosts test with."""

from __future__ import annotations
