"""Rows and counters of the same hours, side by side: what differs, and why most likely."""

from __future__ import annotations

from agentcore_metering.adapters.django.reconcile.comparison import TOLERANCE, Difference, Reconciliation, reconcile
from agentcore_metering.adapters.django.reconcile.engine import MetricsEngine, MetricsUnavailable
from agentcore_metering.adapters.django.reconcile.figures import Hours

__all__ = [
    "TOLERANCE",
    "Difference",
    "Hours",
    "MetricsEngine",
    "MetricsUnavailable",
    "Reconciliation",
    "reconcile",
]
