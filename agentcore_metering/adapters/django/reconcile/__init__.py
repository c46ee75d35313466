"""Rows and counters of the same hours, side by side: what differs, and why most likely."""

from __future__ import annotations

from agentcore_metering.adapters.django.reconcile.comparison import Difference, Reconciliation, reconcile
from agentcore_metering.adapters.django.reconcile.engine import MetricsEngine, MetricsUnavailable
from agentcore_metering.adapters.django.reconcile.figures import Hours

__all__ = ["Difference", "Hours", "MetricsEngine", "MetricsUnavailable", "Reconciliation", "reconcile"]
