"""A play on the stage: processes that call, and the ways in which what they left can be asked for, as Grafana would."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider
from grafana.generate.promql import select, total
from tests.grafana import stage
from tests.grafana.documents import filled_in
from tests.grafana.engines import Engine, engines
from tests.grafana.receiver import Receiver, receiving
from tests.grafana.shipped import PROMOTED, prometheus_as_shipped
from tests.grafana.stage import Host, wait_until

NINE = Decimal("1e-9")
SERVICE = 'service_name="example-host"'
Worker = tuple[int, int, float]
"""Seed, number of calls, pause between two in seconds."""
WORKERS: tuple[Worker, ...] = ((1, 40, 0.25), (2, 40, 0.25), (3, 32, 0.3), (4, 24, 0.2))
SUCCESSOR: Worker = (5, 24, 0.2)


@dataclass(frozen=True)
class Scene:
    """What was played, and where it can be asked."""

    host: Host
    engines: dict[str, Engine]
    receiver: Receiver
    otlp: str
    start_s: float
    end_s: float

    @property
    def window(self) -> str:
        return f"{math.ceil(self.end_s - self.start_s)}s"

    def values(self) -> dict[str, str]:
        """The variables, as a user has them who looks at the whole time and at everything."""
        chosen = {"service": ".*", "environment": ".*", "model": ".*", "operation": ".*", "currency": "USD"}
        nodes = [row[0] for row in self.rows("SELECT DISTINCT coalesce(node, '(none)') FROM metering_usage")]
        trace_id = self.rows("SELECT trace_id FROM metering_usage WHERE trace_id IS NOT NULL LIMIT 1")[0][0]
        texts = {
            "budget": "100",
            "tenant_key": "tenant_id",
            "admin_url": "http://x",
            "slow": "1s",
            "trace_id": trace_id,
        }
        times = {"__range": self.window, "__interval": "2s", "__rate_interval": f"{8 * stage.EXPORT_INTERVAL_S}s"}
        return chosen | texts | times | {"node": "\x1f".join(nodes)}

    def rows(self, statement: str, *, as_reader: bool = True) -> list[Any]:
        with self.host.connect(as_reader=as_reader) as connection:
            return connection.execute(statement).fetchall()  # type: ignore[call-overload,no-any-return]

    def total(self, engine: str, metric: str, matchers: str, by: tuple[str, ...]) -> dict[tuple[str, ...], Decimal]:
        """The exact form of the dashboards over the whole time."""
        found = self.engines[engine].query(total(select(metric, matchers), by, self.window), self.end_s)
        amounts = {tuple(each["metric"].get(name, "") for name in by): each["value"][1] for each in found}
        return {key: Decimal(value).quantize(NINE) for key, value in amounts.items() if Decimal(value)}


@contextmanager
def playing(directory: Path, workers: tuple[Worker, ...], successor: Worker) -> Iterator[Scene]:
    """The stage after `workers` at once and then `successor` have called and ended, and all of it has arrived."""
    with StubProvider() as stub, stage.database("grafana") as database:
        host = Host(directory, database, stub)
        host.prepare()
        own_port = stage.free_port()
        own = f"127.0.0.1:{own_port}"
        with (
            engines(directory, own) as (behind_vmagent, vmagent),
            prometheus_as_shipped(directory, own) as shipped,
            receiving(PROMOTED, f"{shipped.url}/api/v1/write", vmagent) as receiver,
            stage.collector(directory, receiver.endpoint, own_port=own_port) as (otlp, _),
        ):
            every = [shipped, *behind_vmagent]
            start_s = time.time()
            host.work(otlp, *workers)
            host.work(otlp, successor)
            host.run("example.manage", "metering_drain")
            for engine in every:
                _wait_for_all(engine, start_s, count_rows(host))
            assert receiver.refused == []
            yield Scene(host, {engine.name: engine for engine in every}, receiver, otlp, start_s - 2, time.time())


def _wait_for_all(engine: Engine, start_s: float, attempts: int) -> None:
    wait_until(lambda: _attempts(engine, start_s) >= attempts, f"{attempts} attempts in {engine.name}")


def count_rows(host: Host) -> int:
    with host.connect() as connection:
        return int(connection.execute("SELECT count(*) FROM metering_usage").fetchall()[0][0])


def _attempts(engine: Engine, start_s: float) -> float:
    now_s = time.time()
    selector = select(semconv.ATTEMPTS, 'service_name="example-host"')
    found = engine.query(total(selector, window=f"{math.ceil(now_s - start_s) + 2}s"), now_s)
    return float(found[0]["value"][1]) if found else 0.0


def answers(scene: Scene, engine: Engine, query: dict[str, Any]) -> list[dict[str, Any]]:
    """What a panel gets: at the end of the chosen time, or over it."""
    expression = filled_in(query["expr"], scene.values())
    if query["instant"]:
        return engine.query(expression, scene.end_s)
    return engine.query_range(expression, scene.start_s, scene.end_s, 2)


def in_sql(scene: Scene, text: str) -> str:
    """A panel's statement with its macros and variables, as Grafana sends it."""
    start, end = (f"to_timestamp({moment})" for moment in (scene.start_s - 3600, scene.end_s + 1))
    text = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {start} AND {end}", text)
    return filled_in(text, scene.values())
