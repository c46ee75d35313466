"""A Prometheus with the configuration, the rules and the flags that `docker-compose.yml` gives it, as far as this one knows them.

What differs: where the collector is scraped and how often, where the rules are; and without the block `otlp` before Prometheus 3 and
without the flag for the OTLP receiver, which Debian leaves out.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.grafana.documents import ROOT
from tests.grafana.engines import Engine
from tests.grafana.stage import EXPORT_INTERVAL_S, running
from tests.servers.site import free_port

NAME = "prometheus-as-shipped"
CONFIGURATION: dict[str, Any] = yaml.safe_load((ROOT / "otel/prometheus.yaml").read_text())
PROMOTED: list[str] = CONFIGURATION["otlp"]["promote_resource_attributes"]
_COMMAND: list[str] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["prometheus"]["command"]
_NOT_IN_DEBIAN = "--web.enable-otlp-receiver"


@contextmanager
def prometheus_as_shipped(directory: Path, scraped: str) -> Iterator[Engine]:
    """It, scraping the collector at `scraped` as often as processes export."""
    port = free_port()
    file = directory / "shipped.yaml"
    file.write_text(yaml.safe_dump(configuration(scraped)))
    here = [
        f"--config.file={file}",
        f"--storage.tsdb.path={directory / NAME}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    given = [flag for flag in _COMMAND if flag != _NOT_IN_DEBIAN and not flag.startswith("--config.file")]
    with running(["prometheus", *given, *here], directory / f"{NAME}.log", port):
        yield Engine(NAME, f"http://127.0.0.1:{port}")


def configuration(scraped: str) -> dict[str, Any]:
    """The shipped one, with what differs here."""
    interval = f"{EXPORT_INTERVAL_S}s"
    (job,) = CONFIGURATION["scrape_configs"]
    changed = CONFIGURATION | {
        "global": CONFIGURATION["global"] | {"scrape_interval": interval},
        "rule_files": [str(ROOT / "otel" / pattern) for pattern in CONFIGURATION["rule_files"]],
        "scrape_configs": [job | {"static_configs": [{"targets": [scraped]}]}],
    }
    if _major_version() < 3:
        del changed["otlp"]
    return changed


def _major_version() -> int:
    told = subprocess.run(["prometheus", "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    version = re.search(r"version (\d+)\.", told)
    assert version, told
    return int(version[1])
