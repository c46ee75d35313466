"""What the host's tracing and metrics see of a call, through opentelemetry-api alone: without an SDK nothing is recorded."""

from __future__ import annotations
