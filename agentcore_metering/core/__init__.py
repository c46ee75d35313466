"""The call itself, framework-free: what is sent, what came back, what it cost. Django, OpenTelemetry and storage come in by ports."""

from __future__ import annotations
