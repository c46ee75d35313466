"""The Django adapter's tests."""

from __future__ import annotations
