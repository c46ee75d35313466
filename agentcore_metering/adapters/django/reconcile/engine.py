"""Owns the question to the engine for metrics: PromQL over the query API that Prometheus, Mimir and VictoriaMetrics share."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
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
    value: str
    """As the engine wrote it: its digits are compared, not a float's."""


@dataclass(frozen=True, slots=True)
class MetricsEngine:
    """An engine by its address, for example `http://prometheus:9090`."""

    url: str
    timeout_s: float = TIMEOUT_S

    def query(self, expression: str, at: datetime) -> list[Sample]:
        """Values at one moment. Raises MetricsUnavailable."""
        found = self._ask("query", {"query": expression, "time": at.timestamp()})
        return [_sample(each["metric"], each["value"]) for each in found]

    def query_hours(self, expression: str, first: datetime, last: datetime) -> list[Sample]:
        """Values at each full hour from `first` to `last`. Raises MetricsUnavailable."""
        times = {"start": first.timestamp(), "end": last.timestamp(), "step": 3600}
        found = self._ask("query_range", {"query": expression, **times})
        return [_sample(each["metric"], value) for each in found for value in each["values"]]

    def _ask(self, path: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        address = f"{self.url.rstrip('/')}/api/v1/{path}"
        # The setting admits http and https alone.
        request = urllib.request.Request(address, urllib.parse.urlencode(parameters).encode())  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as response:  # noqa: S310
                result: list[dict[str, Any]] = json.load(response)["data"]["result"]
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace")
            raise MetricsUnavailable(f"{address} answered {error.code}: {said}") from error
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            raise MetricsUnavailable(f"{address} cannot be asked: {type(error).__name__}: {error}") from error
        return result


def _sample(labels: dict[str, str], value: tuple[float, str]) -> Sample:
    return Sample(labels, datetime.fromtimestamp(value[0], UTC), value[1])
