"""A host's own user model with a UUID for its key."""

from __future__ import annotations
