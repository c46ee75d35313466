"""The front door: the reference's signatures and shapes in, the core's values inside."""

from __future__ import annotations
