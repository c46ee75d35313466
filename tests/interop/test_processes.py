"""Several processes that fork, sent through OTLP: rows = token-stats = spans = counters, per model and currency, to the last digit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from opentelemetry.sdk.metrics import MeterProvider

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.telemetry import semconv
from example.stub_provider import StubProvider
from tests.django.trackers.test_equality import token_stats
from tests.equality import of_counters, of_rows, of_spans, of_token_stats
from tests.mixes import make_models
from tests.telemetry.collector import collecting
from tests.telemetry.otlp import counter_points, spans_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not os.environ.get("INTEROP"), reason="takes a while (INTEROP=1 runs it)"),
    pytest.mark.skipif(
        not hasattr(MeterProvider, "add_metric_reader"), reason="this opentelemetry-sdk cannot forget sums at a fork"
    ),
]

ROOT = Path(__file__).resolve().parents[2]
COUNT, CHILDREN, HOSTS = 12, 2, 2


def database_url() -> str:
    settings = connection.settings_dict
    if connection.vendor == "postgresql":
        credentials = f"{settings['USER']}:{settings['PASSWORD']}"
        return f"postgresql://{credentials}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
    return f"sqlite:///{settings['NAME']}"


def start_host(seed: int, endpoint: str, directory: Path) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_METRIC_EXPORT_INTERVAL": "600000",
        "TMPDIR": str(directory),
    }
    arguments = [sys.executable, "-m", "tests.interop.forking_process", str(seed), str(COUNT), str(CHILDREN)]
    return subprocess.Popen(arguments, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def test_every_view_of_forking_processes_says_the_same(stub: StubProvider, tmp_path: Path) -> None:
    make_models(stub)

    with collecting() as collector:
        hosts = [start_host(1000 * number, collector.endpoint, tmp_path) for number in range(HOSTS)]
        for host in hosts:
            _, errors = host.communicate(timeout=90)
            assert host.returncode == 0, errors

    rows = of_rows(LLMUsage.objects.all())
    counters = counter_points(collector.metrics)
    calls = HOSTS * (1 + CHILDREN) * COUNT
    assert sum(value for _, value in counters[semconv.CALLS]) == calls
    assert len(list(spans_of(collector.traces, semconv.SCOPE_NAME))) == calls
    assert of_token_stats(token_stats()) == rows
    assert of_spans(spans_of(collector.traces, semconv.SCOPE_NAME)) == rows
    assert of_counters(counters) == rows
