"""A host project that uses the app, a provider to call without a key, and a demonstration of both."""

from __future__ import annotations
