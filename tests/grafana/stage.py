"""A whole deployment on loopback: PostgreSQL, the shipped collector configuration, two engines for metrics, and processes that call.

    worker processes -> collector (otel/collector.yaml as it is) -> vmagent -> Prometheus and VictoriaMetrics

vmagent stands in for Prometheus' own OTLP receiver, which Debian builds without, and makes the same names of series.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg

from example.stub_provider import StubProvider
from tests.grafana.documents import ROOT
from tests.servers.site import accepts, free_port
from tests.telemetry.collector import collecting

OTELCOL = os.environ.get("OTELCOL_BIN", "")
TOOLS = ("prometheus", "victoria-metrics", "vmagent", "psql")
READER_PASSWORD = "for the test's own database"
EXPORT_INTERVAL_S = 1
START_S, END_S = 60.0, 180.0


def missing() -> str:
    """What is not there to run the stage with, or nothing."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not OTELCOL:
        lacking.append("a collector (OTELCOL_BIN)")
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        lacking.append("PostgreSQL (DATABASE_URL)")
    return ", ".join(lacking)


def wait_until(is_so: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
    """Poll, because what is waited for happens in other processes."""
    until_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < until_s, f"{what} did not come to pass"
        time.sleep(0.1)


@contextmanager
def running(
    command: Sequence[str], log: Path, port: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that listens on `port`, ended by its own pid."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=output, stderr=output)
    try:
        wait_until(lambda: process.poll() is not None or accepts(port), f"{command[0]} on port {port}")
        assert process.poll() is None, log.read_text()[-2000:]
        yield process
    finally:
        process.terminate()
        process.wait(END_S)


@contextmanager
def database(name: str) -> Iterator[dict[str, str]]:
    """A database of its own on the server of DATABASE_URL, as libpq's variables; dropped in the end, with its role."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    name = f"metering_{name}_{os.getpid()}"
    variables = {
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or "postgres"),
        "PGPASSWORD": unquote(parts.password or ""),
    }
    admin = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    admin.execute(f"CREATE DATABASE {name}")
    try:
        yield variables | {"PGDATABASE": name}
    finally:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        admin.execute(f"DROP ROLE IF EXISTS {name}_reader")
        admin.close()


@contextmanager
def collector(
    directory: Path, metrics_endpoint: str, *, own_port: int = 0, give_up_after: str = "5m"
) -> Iterator[tuple[str, str]]:
    """The collector by the shipped file; where it takes OTLP, and where it tells of itself. Traces go to a server in this process."""
    port, own = free_port(), own_port or free_port()
    with collecting() as traces:
        environment = {
            "METRICS_OTLP_ENDPOINT": metrics_endpoint,
            "TRACES_OTLP_ENDPOINT": f"{traces.endpoint}/v1/traces",
            "EXPORT_GIVE_UP_AFTER": give_up_after,
            "OTLP_BIND": "127.0.0.1",
            "OTLP_HTTP_PORT": str(port),
            "OTLP_GRPC_PORT": str(free_port()),
            "COLLECTOR_METRICS_PORT": str(own),
        }
        command = [OTELCOL, "--config", str(ROOT / "otel/collector.yaml")]
        with running(command, directory / "collector.log", port, environment):
            yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{own}/metrics"


@dataclass(frozen=True)
class Engine:
    """An engine for metrics, through the query API that Prometheus and VictoriaMetrics share."""

    name: str
    url: str

    def query(self, expression: str, at_s: float) -> list[dict[str, Any]]:
        return self._ask("query", query=expression, time=at_s)

    def query_range(self, expression: str, start_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        return self._ask("query_range", query=expression, start=start_s, end=end_s, step=step_s)

    def _ask(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", body, timeout=30) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{self.name} refuses {parameters['query']}: {error.read().decode()[:500]}") from None
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


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


@dataclass(frozen=True)
class Host:
    """The example host: its directory, its database and the provider that answers it."""

    directory: Path
    database: Mapping[str, str]
    stub: StubProvider

    @property
    def reader(self) -> str:
        """The role that Grafana would read with."""
        return f"{self.database['PGDATABASE']}_reader"

    def environment(self, otlp_endpoint: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DATABASE_"))}
        return inherited | {
            **self.database,
            "DJANGO_SETTINGS_MODULE": "example.host.settings",
            "EXAMPLE_DATABASE": "postgresql",
            "EXAMPLE_DATA_DIR": str(self.directory),
            "EXAMPLE_PASSWORD": "demo",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": str(EXPORT_INTERVAL_S * 1000),
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        }

    def run(self, *arguments: str, otlp_endpoint: str = "") -> str:
        """A Python module, to its good end; what it printed."""
        ended = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=self.environment(otlp_endpoint),
            capture_output=True,
            text=True,
            timeout=END_S,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        return ended.stdout

    def work(self, otlp_endpoint: str, *workers: tuple[int, int, float]) -> None:
        """Worker processes at once, each with its seed, number of calls and pause; to their good ends."""
        command = [sys.executable, "-m", "tests.grafana.worker"]
        processes = [
            subprocess.Popen(
                [*command, *map(str, worker)],
                cwd=ROOT,
                env=self.environment(otlp_endpoint),
                stderr=subprocess.PIPE,
                text=True,
            )
            for worker in workers
        ]
        try:
            ends = [(process.communicate(timeout=END_S)[1], process.returncode) for process in processes]
        finally:
            for process in processes:
                process.kill()
        assert [status for _, status in ends] == [0] * len(workers), ends[0][0][-3000:]

    def prepare(self) -> None:
        """Tables, users, configurations, and the role that reads."""
        self.run("example.manage", "migrate", "--verbosity", "0")
        self.run("example.seed", "--stub-url", self.stub.base_url)
        self.run("tests.grafana.embedding_config", self.stub.api_base())
        role = [
            "-v",
            f"role={self.reader}",
            "-v",
            f"password={READER_PASSWORD}",
            "-f",
            str(ROOT / "grafana/readonly_role.sql"),
        ]
        subprocess.run(
            ["psql", "-q", "-v", "ON_ERROR_STOP=1", *role],
            env={**os.environ, **self.database},
            check=True,
            capture_output=True,
            timeout=END_S,
        )

    def connect(self, *, as_reader: bool = False) -> psycopg.Connection[Any]:
        """To its database, as Grafana's role or as the owner."""
        user = {"user": self.reader, "password": READER_PASSWORD} if as_reader else {}
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
        return psycopg.connect(
            **{key: self.database[name] for key, name in names.items()} | user,
            autocommit=True,
        )


def figures_of(metrics_page: str, name: str) -> float:
    """The sum of a metric on a page in Prometheus' format."""
    with urllib.request.urlopen(metrics_page, timeout=10) as response:
        text = response.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:_total)?(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))
