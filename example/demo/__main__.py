"""`python -m example.demo [--once]`: calls of every kind, then the figures from every side. See `make demo`."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from pathlib import Path

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from example.demo import figures, picture, report, stage
from example.host import tracing
from example.traffic import Wish, drive, wishes

CALLS = 84
THREADS = 4
DATA_DIR = Path(__file__).resolve().parents[2] / ".demo"


def main() -> int:
    """Run the demonstration; 1 when any view differs."""
    parser = argparse.ArgumentParser(prog="python -m example.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="do not serve afterwards; exit 1 when any view differs")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="also save the screen as a picture")
    options = parser.parse_args()
    # What is served keeps its place, where its database can be looked at; what ends by itself disturbs no other run.
    data_dir = Path(tempfile.mkdtemp(prefix="metering-demo-")) if options.once else DATA_DIR
    console = Console(record=options.picture is not None, width=100 if options.picture else None)
    try:
        status = _run(console, data_dir, is_once=options.once)
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    else:
        if options.picture:
            picture.save(console, options.picture)
        return status
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _run(console: Console, data_dir: Path, *, is_once: bool) -> int:
    console.print("Setting up: database, stub provider, host ...")
    stage.prepare(data_dir)
    # What LiteLLM and the host say of the errors that are made on purpose is not what this shows.
    logging.disable(logging.ERROR)
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracing.configure((SimpleSpanProcessor(exporter),), (reader,))
    with stage.set_up() as running:
        outcomes = _drive(console, running)
        is_equal = _report(console, running, exporter, reader, outcomes)
        if not is_once:
            _serve(console, running)
    return 0 if is_equal else 1


def _drive(console: Console, running: stage.Stage) -> dict[str, Counter[str]]:
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    columns = (TextColumn("Calling models"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("calls", total=CALLS)

        def note(wish: Wish, outcome: str) -> None:
            outcomes[wish.kind][outcome] += 1
            progress.advance(task)

        drive(running.host, wishes(CALLS, running.configs), threads=THREADS, on_done=note)
    return outcomes


def _report(
    console: Console,
    running: stage.Stage,
    exporter: InMemorySpanExporter,
    reader: InMemoryMetricReader,
    outcomes: dict[str, Counter[str]],
) -> bool:
    _wait_for_the_last_streams(exporter)
    spans = exporter.get_finished_spans()
    rows = figures.from_rows()
    views = (rows, figures.from_spans(spans), figures.from_metrics(reader), figures.from_api(running.host))
    lines = figures.compare(views)
    report.show_outcomes(console, outcomes)
    report.show_by_model(console, rows)
    report.show_comparison(console, ("rows", "spans", "metrics", "API"), lines)
    report.show_trace(console, spans)
    different = [line for line in lines if not line.is_equal]
    console.print(f"{len(lines)} figures, {len(lines) - len(different)} equal, {len(different)} different.")
    return not different


def _wait_for_the_last_streams(exporter: InMemorySpanExporter) -> None:
    """Give the host time to notice the clients that left; then wait for its rows."""
    from agentcore_metering.adapters.django.runtime import flush

    done = threading.Event()
    for _ in range(100):
        llm_spans = [
            span for span in exporter.get_finished_spans() if "agentcore_metering.call.id" in (span.attributes or {})
        ]
        if len(llm_spans) >= CALLS:
            break
        done.wait(0.1)
    flush(10)


def _serve(console: Console, running: stage.Stage) -> None:
    console.print(f"\nLog in as [bold]{stage.ADMIN}[/] with the password [bold]{stage.PASSWORD}[/]:")
    console.print(f"  Django admin   {running.base_url}/admin/")
    console.print(f"  Usage charts   {running.base_url}/admin/agentcore_metering/llmusage/dashboard/")
    console.print(f"  Stats API      {running.base_url}{stage.API}/token-stats/")
    console.print(f"  Usage API      {running.base_url}{stage.API}/llm-usage/")
    console.print("Ctrl-C ends it and removes its database.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("\nStopped.")


if __name__ == "__main__":
    sys.exit(main())
