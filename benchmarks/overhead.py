"""What metering adds to a call, against bare LiteLLM in the same process: `python -m benchmarks.overhead --help`.

The variants take turns within each round, so that a machine that slows down slows all of them. Printed are medians of per-round
medians, and ratios with the spread over rounds; `bare again` is the control.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STUB_START_S = 10.0
MESSAGES = [{"role": "user", "content": "Say hello. [[stub: in=420 out=120]]"}]
KEY = "benchmark-key-of-nobody"


@dataclass
class Variant:
    """One way to make the call."""

    name: str
    call: Callable[[], Any]
    thread_us: list[float] = field(default_factory=list)
    """Median CPU of the caller's thread for one call, by round."""
    process_us: list[float] = field(default_factory=list)
    """CPU of the whole process for one call, background threads included, by round."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each variant (default 15)")
    parser.add_argument("--calls", type=int, default=40, help="calls in a turn (default 40)")
    parser.add_argument("--stream", action="store_true", help="streams of 50 chunks instead of whole answers")
    parser.add_argument("--no-sdk", action="store_true", help="without an OpenTelemetry SDK: the row alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, _Stub() as stub:
        _set_up(Path(directory), stub.base_url, has_sdk=not options.no_sdk)
        variants = _variants(stub.base_url, is_streaming=options.stream)
        for variant in variants:
            _turn(variant, options.calls)
            variant.thread_us.clear()
            variant.process_us.clear()
        for _ in range(options.rounds):
            for variant in variants:
                _turn(variant, options.calls)
        _print(variants, options)
        _check(len(variants), options)


class _Stub:
    """The stub provider in a process of its own."""

    def __enter__(self) -> _Stub:
        command = [sys.executable, "-u", "-m", "example.stub_provider", "--port", "0"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline() if self._process.stdout else ""
        self.base_url = next(word for word in line.split() if word.startswith("http")).rstrip("/.")
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait()


def _set_up(directory: Path, base_url: str, *, has_sdk: bool) -> None:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["DJANGO_SETTINGS_MODULE"] = "example.host.settings"
    os.environ["EXAMPLE_DATA_DIR"] = str(directory)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from agentcore_metering.adapters.django.models import LLMConfig

    config = {"model": "gpt-4o-mini", "api_key": KEY, "api_base": f"{base_url}/v1"}
    LLMConfig.objects.create(scope="global", provider="openai", config=config)
    if has_sdk:
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
        trace.set_tracer_provider(provider)
        metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


def _variants(base_url: str, *, is_streaming: bool) -> list[Variant]:
    import litellm

    from agentcore_metering.adapters.django import LLMTracker

    arguments: dict[str, Any] = {
        "model": "openai/gpt-4o-mini",
        "api_key": KEY,
        "api_base": f"{base_url}/v1",
        "timeout": 180,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
        "messages": [{"role": "user", "content": MESSAGES[0]["content"].replace("]]", " chunks=50]]")}]
        if is_streaming
        else MESSAGES,
    }
    if is_streaming:
        arguments |= {"stream": True, "stream_options": {"include_usage": True}}

    def bare() -> None:
        answer = litellm.completion(**arguments)
        if is_streaming:
            for _ in answer:
                pass

    def metered() -> None:
        answer = LLMTracker.call_and_track(messages=arguments["messages"], node_name="benchmark", stream=is_streaming)
        if is_streaming:
            for _ in answer:
                pass

    return [Variant("bare LiteLLM", bare), Variant("bare again", bare), Variant("metered", metered)]


def _turn(variant: Variant, calls: int) -> None:
    from agentcore_metering.adapters.django.runtime import flush

    thread_us = []
    process_began_s = time.process_time()
    for _ in range(calls):
        began_s = time.thread_time()
        variant.call()
        thread_us.append((time.thread_time() - began_s) * 1e6)
    # The drain belongs to the turn that made the rows.
    flush(30)
    variant.process_us.append((time.process_time() - process_began_s) * 1e6 / calls)
    variant.thread_us.append(statistics.median(thread_us))


def _print(variants: list[Variant], options: argparse.Namespace) -> None:
    kind = "streams of 50 chunks" if options.stream else "whole answers"
    print(
        f"{options.rounds} rounds of {options.calls} {kind}, {'no SDK' if options.no_sdk else 'SDK, batch span processor'}, journal and SQLite"
    )
    print(
        f"{'':14} {'thread us':>10} {'added':>8} {'ratio [low, high]':>22} {'process us':>11} {'added':>8} {'ratio [low, high]':>22}"
    )
    base = variants[0]
    for variant in variants:
        cells = []
        for of_base, of_variant in ((base.thread_us, variant.thread_us), (base.process_us, variant.process_us)):
            ratios = sorted(b / a for a, b in zip(of_base, of_variant, strict=True))
            added = statistics.median(b - a for a, b in zip(of_base, of_variant, strict=True))
            low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
            cells.append(
                f"{statistics.median(of_variant):>10.0f} {added:>8.0f} {statistics.median(ratios):>8.3f} [{low:.3f}, {high:.3f}]"
            )
        print(f"{variant.name:14} {'  '.join(cells)}")


def _check(variants: int, options: argparse.Namespace) -> None:
    """A meter that loses rows would be cheap: count them."""
    from agentcore_metering.adapters.django.models import LLMUsage

    expected = (options.rounds + 1) * options.calls
    stored = LLMUsage.objects.count()
    print(f"{stored} rows of {expected} metered calls")
    if stored != expected:
        sys.exit(1)


if __name__ == "__main__":
    main()
