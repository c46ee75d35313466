"""Owns the question to the engine for metrics: PromQL over the query API that Prometheus, Mimir and VictoriaMetrics share."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from agentcore_metering.core.errors import MeteringError

__all__ = ["MetricsEngine", "MetricsUnavailable", "Sample"]

TIMEOUT_S = 30.0


class MetricsUnavailable(MeteringError):
    """The engine for metrics cannot be asked, or refuses what it is asked."""

    code = "metrics_unavailable"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series."""

    labels: dict[str, str]
    at: datetime
    value: Decimal
    """Finite; the digits that the engine wrote, not a float's."""


@dataclass(frozen=True, slots=True)
class MetricsEngine:
    """An engine by its address, for example `http://prometheus:9090`."""

    url: str
    timeout_s: float = TIMEOUT_S

    def query(self, expression: str, at: datetime) -> list[Sample]:
        """Values at one moment. Raises MetricsUnavailable."""
        parameters = {"query": expression, "time": at.timestamp()}
        return self._ask("query", parameters, lambda series: [series["value"]])

    def query_hours(self, expression: str, first: datetime, last: datetime) -> list[Sample]:
        """Values at each full hour from `first` to `last`. Raises MetricsUnavailable."""
        parameters = {"query": expression, "start": first.timestamp(), "end": last.timestamp(), "step": 3600}
        return self._ask("query_range", parameters, lambda series: series["values"])

    def _ask(self, path: str, parameters: dict[str, Any], values_of: Callable[[Any], Any]) -> list[Sample]:
        address = f"{self.url.rstrip('/')}/api/v1/{path}"
        # The setting admits http and https alone.
        request = urllib.request.Request(address, urllib.parse.urlencode(parameters).encode())  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:  # noqa: S310
                found = json.load(response)["data"]["result"]
            return [_sample(series["metric"], value) for series in found for value in values_of(series)]
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace")
            raise MetricsUnavailable(f"{address} answered {error.code}: {said}") from error
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, ArithmeticError) as error:
            raise MetricsUnavailable(f"{address} cannot be asked: {type(error).__name__}: {error}") from error


def _sample(labels: dict[str, str], value: tuple[float, str]) -> Sample:
    number = Decimal(value[1])
    if not number.is_finite():
        raise ValueError(f"{number} is no count")
    return Sample(labels, datetime.fromtimestamp(value[0], UTC), number)
