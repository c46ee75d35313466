"""A whole deployment on loopback: PostgreSQL, the shipped collector configuration, three engines for metrics, and processes that call.

    worker processes -> collector (otel/collector.yaml as it is) -> receiver -> Prometheus as it is shipped
                                                                        |-----> vmagent -> Prometheus and VictoriaMetrics

Two receivers stand in for Prometheus' own, which Debian builds without: one of the tests, which keeps exemplars (`receiver`), and
VictoriaMetrics' vmagent, whose names of series nobody here has written.
"""

from __future__ import annotations

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
from contextlib import contextmanager
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
TOOLS = ("prometheus", "promtool", "victoria-metrics", "vmagent", "psql")
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
