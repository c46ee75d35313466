"""`configure()` in processes of their own: real forks, real exits, a real collector, Django's own instrumentation."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from tests.telemetry.collector import Collector, collecting

CAN_FORGET = hasattr(MeterProvider, "add_metric_reader")
RENAMES_SPANS = hasattr(TracerProvider, "_handle_fork")
"""Whether this SDK gives the spans of a forked child an instance id of their own."""

PREFORK = """
import os
from opentelemetry import metrics, trace
from agentcore_metering.telemetry.bootstrap import configure, shutdown

def work(count):
    counter.add(count)
    trace.get_tracer("host").start_span("work").end()

parent = configure("shop")
counter = metrics.get_meter("host").create_counter("done")
work(5)
print(parent.service_instance_id, flush=True)
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        work(1)
        child = configure("shop")
        shutdown(30)
        print(child.service_instance_id, child.pid == os.getpid(), flush=True)
        os._exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
"""

POST_FORK = """
import os
from opentelemetry import metrics
from agentcore_metering.telemetry.bootstrap import configure

counter = metrics.get_meter("host").create_counter("done")
counter.add(5)
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        print(configure("shop").service_instance_id, flush=True)
        counter.add(1)
        raise SystemExit
    os.waitpid(pid, 0)
"""

REQUEST = """
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="not-a-secret", MIDDLEWARE=[])
urlpatterns = [path("till/", lambda request: HttpResponse("open"))]

from agentcore_metering.telemetry.bootstrap import configure
print(configure("shop").instruments_django)
django.setup()
from django.test import Client
Client().get("/till/")
"""


def run(script: str, collector: Collector, **variables: str) -> list[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DJANGO_"))}
    environment = inherited | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint} | variables
    finished = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=100, check=True
    )
    return finished.stdout.splitlines()


@pytest.fixture
def collector() -> Any:
    with collecting() as running:
        yield running


def test_children_of_a_configured_process_have_an_identity_and_counts_of_their_own(collector: Collector) -> None:
    (parent_id, *children) = run(PREFORK, collector)

    child_ids = {line.split()[0] for line in children}
    assert [line.split()[1] for line in children] == ["True", "True"]
    assert len(child_ids | {parent_id}) == 3
    inherited = 0 if CAN_FORGET else 5
    assert collector.counts("done") == {parent_id: 5} | dict.fromkeys(child_ids, inherited + 1)


def test_spans_of_children_are_sent_once(collector: Collector) -> None:
    (parent_id, *children) = run(PREFORK, collector)

    child_ids = [line.split()[0] if RENAMES_SPANS else parent_id for line in children]
    assert sorted(collector.spans()) == sorted((instance_id, "work") for instance_id in [parent_id, *child_ids])


def test_children_that_configure_after_the_fork_count_nothing_from_before(collector: Collector) -> None:
    child_ids = run(POST_FORK, collector)

    assert len(set(child_ids)) == 2
    assert collector.counts("done") == dict.fromkeys(child_ids, 1)


def test_requests_of_a_host_without_tracing_become_spans(collector: Collector) -> None:
    assert run(REQUEST, collector) == ["True"]
    assert [name for _, name in collector.spans()] == ["GET till/"]


def test_module_is_imported_without_the_sdk(collector: Collector) -> None:
    script = "import sys, agentcore_metering.telemetry.bootstrap; print('opentelemetry.sdk.trace' in sys.modules)"

    assert run(script, collector) == ["False"]
