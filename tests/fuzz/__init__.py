"""Tests of the REST API by generated requests."""

from __future__ import annotations
