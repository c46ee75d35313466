"""Makes the dashboards of `grafana/dashboards` from the registry of metric names: `python -m grafana.generate`."""

from __future__ import annotations
