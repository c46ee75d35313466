"""Records -> rows: the mapping, the idempotent insert, and the sinks that decide when it happens."""

from __future__ import annotations
