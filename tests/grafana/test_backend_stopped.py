"""An engine that stops, and a collector that stops: calls go on, what is lost is counted, and the alert for it fires, by promtool.

What the rules are given is what the real collector's own page and the real scrape of it have said.
"""

from __future__ import annotations

import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider
from grafana.generate.promql import select, total
from tests.grafana import stage
from tests.grafana.documents import RULE_FILES
from tests.grafana.engines import Engine
from tests.grafana.receiver import receiving
from tests.grafana.scene import SERVICE, Worker, count_rows
from tests.grafana.shipped import PROMOTED, prometheus_as_shipped
from tests.grafana.stage import Host, wait_until

pytestmark = [
    pytest.mark.servers,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(stage.missing()), reason=f"lacks {stage.missing()}"),
]

CALLS, PAUSE_S = 40, 0.3
SENT_FAILED = "otelcol_exporter_send_failed_metric_points"
EXPORT_ALERTS = ("MeteringExportFailing", "MeteringCollectorDown")
FAULTY_MINUTES = 5


def attempts_of(calls: int) -> int:
    """One in eight calls is tried again; a seed's are, once."""
    return calls + calls // 8


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host of which the engines of the scene know nothing."""
    with StubProvider() as stub, stage.database("elsewhere") as database:
        host = Host(tmp_path_factory.mktemp("elsewhere"), database, stub)
        host.prepare()
        yield host


def counted(engine: Engine) -> float:
    found = engine.query(total(select(semconv.ATTEMPTS, SERVICE), window="10m"), time.time())
    return float(found[0]["value"][1]) if found else 0.0


def test_an_engine_that_stops_costs_no_call_is_counted_and_raises_its_alert(elsewhere: Host, tmp_path: Path) -> None:
    worker: Worker = (11, CALLS, PAUSE_S)
    before = count_rows(elsewhere)

    with ExitStack() as engine_side, ThreadPoolExecutor() as threads:
        own_port = stage.free_port()
        engine = engine_side.enter_context(prometheus_as_shipped(tmp_path, f"127.0.0.1:{own_port}"))
        receiver = engine_side.enter_context(receiving(PROMOTED, f"{engine.url}/api/v1/write"))
        with stage.collector(tmp_path, receiver.endpoint, own_port=own_port, give_up_after="5s") as (otlp, own):
            calls = threads.submit(elsewhere.work, otlp, worker)
            wait_until(lambda: counted(engine) > 0, "attempts in the engine")
            pages = [own_page(own)]
            engine_side.close()
            wait_until(lambda: stage.figures_of(own, SENT_FAILED) > 0, "a failure that is counted")
            pages.append(own_page(own))
            calls.result()
            wait_until(lambda: sum_of(own_page(own)) > sum_of(pages[-1]), "a further failure")
            pages.append(own_page(own))

    elsewhere.run("example.manage", "metering_drain")
    assert count_rows(elsewhere) == before + attempts_of(CALLS)
    assert fired(tmp_path, over_minutes(pages)) == {"MeteringExportFailing": "otlp_http/metrics"}


def test_a_collector_that_stops_costs_no_call_and_raises_its_alert(elsewhere: Host, tmp_path: Path) -> None:
    worker: Worker = (12, CALLS, PAUSE_S)
    before = count_rows(elsewhere)

    with ExitStack() as collector_side, ThreadPoolExecutor() as threads:
        own_port = stage.free_port()
        engine = collector_side.enter_context(prometheus_as_shipped(tmp_path, f"127.0.0.1:{own_port}"))
        receiver = collector_side.enter_context(receiving(PROMOTED, f"{engine.url}/api/v1/write"))
        with stage.collector(tmp_path, receiver.endpoint, own_port=own_port) as (otlp, _):
            calls = threads.submit(elsewhere.work, otlp, worker)
            wait_until(lambda: counted(engine) > 0, "attempts in the engine")
        wait_until(lambda: ups(engine) == ["0"], "a scrape that fails")
        labels = engine.query("up", time.time())[0]["metric"]
        calls.result()

    elsewhere.run("example.manage", "metering_drain")
    assert count_rows(elsewhere) == before + attempts_of(CALLS)
    assert fired(tmp_path, {written(labels): "1 " + "0 " * FAULTY_MINUTES}) == {"MeteringCollectorDown": ""}


def test_calls_go_on_without_a_collector_from_the_beginning(elsewhere: Host) -> None:
    before = count_rows(elsewhere)

    elsewhere.work(f"http://127.0.0.1:{stage.free_port()}", (10, 8, 0.0))

    elsewhere.run("example.manage", "metering_drain")
    assert count_rows(elsewhere) == before + attempts_of(8)


def ups(engine: Engine) -> list[str]:
    return [each["value"][1] for each in engine.query('up{job="otel-collector"}', time.time())]


# From what the collector told to what promtool is given ----------------------------------------------------------------


def own_page(address: str) -> dict[str, float]:
    """The collector's series about its exporters, as its page has them."""
    with urllib.request.urlopen(address, timeout=10) as response:
        lines = re.findall(r"^(otelcol_exporter_\w+\{.*\}) (\S+)$", response.read().decode(), re.MULTILINE)
    return {series: float(value) for series, value in lines if "_bucket{" not in series}


def sum_of(page: dict[str, float]) -> float:
    return sum(value for series, value in page.items() if series.startswith(SENT_FAILED))


def over_minutes(pages: Sequence[dict[str, float]]) -> dict[str, str]:
    """A page a minute, and the last one until the end."""
    shown = [*pages, *[pages[-1]] * (FAULTY_MINUTES - len(pages) + 1)]
    return {series: " ".join(str(page.get(series, "_")) for page in shown) for series in pages[-1]}


def written(labels: dict[str, str]) -> str:
    pairs = ", ".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return f"{labels['__name__']}{{{pairs}}}"


def fired(directory: Path, series: dict[str, str]) -> dict[str, str]:
    """Which of the alerts about exports promtool has firing in the end, and of which exporter."""
    found = {}
    for alert in EXPORT_ALERTS:
        case = {"eval_time": f"{FAULTY_MINUTES}m", "alertname": alert, "exp_alerts": []}
        document = {
            "rule_files": list(map(str, RULE_FILES)),
            "evaluation_interval": "1m",
            "tests": [
                {
                    "interval": "1m",
                    "input_series": [{"series": name, "values": values} for name, values in series.items()],
                    "alert_rule_test": [case],
                }
            ],
        }
        file = directory / f"{alert}.yaml"
        file.write_text(yaml.safe_dump(document))
        ended = subprocess.run(
            ["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
        )
        told = ended.stdout + ended.stderr
        assert ended.returncode == 0 or "got:[" in told, told
        if ended.returncode:
            exporter = re.search(r'exporter="([^"]*)"', told.split("got:[", 1)[1])
            found[alert] = exporter[1] if exporter else ""
    return found
