"""Which model, endpoint and key a call uses, and the operator's prices: read from the database and Django settings."""

from __future__ import annotations
