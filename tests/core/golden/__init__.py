"""Cases computed by hand: what a provider sends, and what it comes to. Read by `tests.core.test_golden`."""

from __future__ import annotations
