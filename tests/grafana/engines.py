"""The engines for metrics on loopback, and how they are asked: Prometheus and VictoriaMetrics behind vmagent, with the same samples."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.grafana.stage import EXPORT_INTERVAL_S, running
from tests.servers.site import free_port


@dataclass(frozen=True)
class Engine:
    """An engine for metrics, through the query API that Prometheus and VictoriaMetrics share."""

    name: str
    url: str

    def query(self, expression: str, at_s: float) -> list[dict[str, Any]]:
        return self._result("query", query=expression, time=at_s)

    def query_range(self, expression: str, start_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        return self._result("query_range", query=expression, start=start_s, end=end_s, step=step_s)

    def exemplars(self, expression: str, start_s: float, end_s: float) -> list[dict[str, Any]]:
        """As Grafana asks for those of a panel: series, each with its exemplars."""
        found: list[dict[str, Any]] = self.ask("query_exemplars", query=expression, start=start_s, end=end_s)
        return found

    def _result(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self.ask(path, **parameters)["result"]
        return result

    def ask(self, path: str, **parameters: Any) -> Any:
        """The data of an answer of the API; AssertionError with the engine's own words where it refuses."""
        body = urllib.parse.urlencode(parameters).encode() or None
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", body, timeout=30) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{self.name} refuses {parameters}: {error.read().decode()[:500]}") from None


@contextmanager
def engines(directory: Path, scraped: str) -> Iterator[tuple[list[Engine], str]]:
    """Prometheus and VictoriaMetrics with the same samples; and where vmagent, which writes to both, takes OTLP."""
    prometheus, victoria, agent = free_port(), free_port(), free_port()
    (directory / "prometheus.yaml").write_text("scrape_configs: []\n")
    with ExitStack() as stack:
        stack.enter_context(
            running(
                [
                    "prometheus",
                    f"--config.file={directory / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={directory / 'prometheus'}",
                    f"--web.listen-address=127.0.0.1:{prometheus}",
                    "--web.enable-remote-write-receiver",
                ],
                directory / "prometheus.log",
                prometheus,
            )
        )
        stack.enter_context(
            running(
                [
                    "victoria-metrics",
                    f"-storageDataPath={directory / 'victoria'}",
                    f"-httpListenAddr=127.0.0.1:{victoria}",
                    "-search.latencyOffset=1ms",
                    "-search.disableCache",
                ],
                directory / "victoria.log",
                victoria,
            )
        )
        (directory / "scrape.yaml").write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": f"{EXPORT_INTERVAL_S}s"},
                    "scrape_configs": [{"job_name": "otel-collector", "static_configs": [{"targets": [scraped]}]}],
                }
            )
        )
        stack.enter_context(
            running(
                [
                    "vmagent",
                    f"-httpListenAddr=127.0.0.1:{agent}",
                    "-opentelemetry.usePrometheusNaming",
                    f"-promscrape.config={directory / 'scrape.yaml'}",
                    f"-remoteWrite.tmpDataPath={directory / 'vmagent'}",
                    "-remoteWrite.flushInterval=200ms",
                    f"-remoteWrite.url=http://127.0.0.1:{prometheus}/api/v1/write",
                    f"-remoteWrite.url=http://127.0.0.1:{victoria}/api/v1/write",
                ],
                directory / "vmagent.log",
                agent,
            )
        )
        yield (
            [
                Engine("prometheus", f"http://127.0.0.1:{prometheus}"),
                Engine("victoria-metrics", f"http://127.0.0.1:{victoria}"),
            ],
            f"http://127.0.0.1:{agent}/opentelemetry/v1/metrics",
        )
