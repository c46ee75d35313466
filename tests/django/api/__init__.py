"""Tests of the api."""

from __future__ import annotations
