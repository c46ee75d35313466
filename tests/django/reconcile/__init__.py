"""Rows against counters, with an engine on a real socket."""

from __future__ import annotations
