"""Arize Phoenix, a store of traces with a reader and a price book of its own, counts what we count."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from agentcore_metering.adapters.django import LLMTracker, runtime
from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.telemetry.observer import TelemetryObserver
from example.stub_provider import StubProvider, directive
from tests.django.builders import make_stub_config
from tests.interop.test_collector import free_port, needs_collector, running_collector, wait_until

PHOENIX = os.environ.get("PHOENIX_BIN", "")
SHAPES = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}
"""Providers whose answers differ in shape, each with a model that both price books know."""
COSTS = "{ projects { edges { node { name tokenCountTotal tokenCountPrompt tokenCountCompletion costSummary { total { cost } } } } } }"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not PHOENIX, reason="needs Arize Phoenix (PHOENIX_BIN names its command)"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def phoenix(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    environment = os.environ | {
        "PHOENIX_WORKING_DIR": str(tmp_path),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    log = (tmp_path / "phoenix.log").open("w")
    process = subprocess.Popen([PHOENIX, "serve"], env=environment, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or _is_ready(address), timeout_s=120)
        assert process.poll() is None, (tmp_path / "phoenix.log").read_text()
        yield address
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def project_of(address: str, name: str) -> dict[str, Any]:
    """Phoenix's own sums over the project of this name."""
    body = json.dumps({"query": COSTS}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        edges = json.load(answer)["data"]["projects"]["edges"]
    return next((edge["node"] for edge in edges if edge["node"]["name"] == name), {})


def sums_of(address: str, name: str) -> tuple[Any, Any, Decimal]:
    """Input tokens, output tokens and cost in dollars, at 12 places."""
    project = project_of(address, name)
    cost = project.get("costSummary", {}).get("total", {}).get("cost") or 0
    return (
        project.get("tokenCountPrompt"),
        project.get("tokenCountCompletion"),
        Decimal(repr(cost)).quantize(Decimal("1e-12")),
    )


def spans_in(address: str, name: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{address}/v1/projects/{name}/spans?limit=100", timeout=10) as answer:
        return list(json.load(answer)["data"])


def make_calls(stub: StubProvider, provider: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole answer and a stream, whose spans go to the OTLP endpoint at `address` under the provider's name."""
    tracing = TracerProvider(resource=Resource({"openinference.project.name": provider}), shutdown_on_exit=False)
    tracing.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{address}/v1/traces")))
    monkeypatch.setattr(runtime, "TelemetryObserver", lambda **_choices: TelemetryObserver(tracing))
    runtime.reset()
    config = make_stub_config(stub, provider, SHAPES[provider])
    for stream in (False, True):
        prompt = directive(in_=1200, out=300, cached=200, text="Hi")
        list(
            LLMTracker.call_and_track(
                messages=[{"role": "user", "content": prompt}], model_uuid=config.uuid, stream=stream
            )
        )
    tracing.shutdown()


def sums_of_rows(provider: str) -> tuple[Any, Any, Decimal]:
    rows = LLMUsage.objects.filter(provider=provider)
    tokens = rows.aggregate(input=Sum("prompt_tokens"), output=Sum("completion_tokens"))
    return tokens["input"], tokens["output"], sum((row.cost or Decimal(0) for row in rows), Decimal(0))


@needs_collector
def test_phoenix_behind_a_collector_counts_the_same_tokens_and_the_same_cost(
    stub: StubProvider, phoenix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_collector(phoenix) as address:
        for provider in SHAPES:
            make_calls(stub, provider, address, monkeypatch)

        for provider in SHAPES:
            expected = sums_of_rows(provider)
            # It reads and prices spans a moment after it has taken them.
            with contextlib.suppress(AssertionError):
                wait_until(lambda: sums_of(phoenix, provider) == expected, timeout_s=40)  # noqa: B023 - used at once
            assert sums_of(phoenix, provider) == expected
            assert expected[2] > 0
            assert Counter(span["span_kind"] for span in spans_in(phoenix, provider)) == {"LLM": 2}
