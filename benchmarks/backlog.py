"""`make backlog`: a hundred thousand calls while the database is away; then it comes back."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench_process import describe_machine, django_on_postgres, quantile, verdict

if TYPE_CHECKING:
    from agentcore_metering.adapters.django.persistence.journal import JournalSink
    from benchmarks.postgres import Cluster

GROWTH_LIMIT_MIB = 30.0
DRAIN_LIMIT_ROWS_PER_S = 2000.0
DRAIN_TIMEOUT_S = 600.0
WARM_UP_CALLS = 200


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backlog")
    parser.add_argument("--calls", type=int, default=100_000, help="while the database is away (default: 100000)")
    parser.add_argument("--slack", type=float, default=1.0, help="by which the limits are loosened (default: 1)")
    options = parser.parse_args()
    print(f"backlog of {options.calls:,} calls; {describe_machine()}", flush=True)
    with django_on_postgres() as (cluster, directory):
        from agentcore_metering.adapters.django.persistence.journal import JournalSink

        sink = JournalSink(directory / "spool", "default")
        growth_mib = _pile_up(sink, cluster, options.calls)
        control_mib = _measure_control(options.calls)
        print(f"  control: the same records in a list take {control_mib:.1f} MiB")
        rows_per_s = _drain(sink, cluster, options.calls)
        sink.close()
        left = list((directory / "spool").iterdir())
        print(f"left in the spool            {len(left)} files")
    if left:
        raise RuntimeError(f"the spool is not empty: {left}")
    seconds_per_row = 1 / rows_per_s
    return verdict(
        [
            ("growth of memory in MiB", growth_mib, GROWTH_LIMIT_MIB),
            ("microseconds for a row", seconds_per_row * 1e6, 1e6 / DRAIN_LIMIT_ROWS_PER_S),
        ],
        options.slack,
    )


def _pile_up(sink: JournalSink, cluster: Cluster, calls: int) -> float:
    """Growth of this process's memory in MiB."""
    from benchmarks.calls import caller

    call = caller(sink)
    for _ in range(WARM_UP_CALLS):
        call()
    if not sink.flush(60):
        raise RuntimeError("the database does not take the first rows")
    cluster.stop()
    before_mib = _memory_mib()
    took_us = []
    began_s = time.perf_counter()
    for _ in range(calls):
        call_began_ns = time.perf_counter_ns()
        call()
        took_us.append((time.perf_counter_ns() - call_began_ns) / 1000)
    elapsed_s = time.perf_counter() - began_s
    growth_mib = _memory_mib() - before_mib - sys.getsizeof(took_us) / 2**20 - calls * 24 / 2**20
    stats = sink.stats()
    print(f"{calls:,} calls with the database away took {elapsed_s:.1f} s, one after the other")
    print(f"a call took                  p50 {quantile(took_us, 0.5):.0f} us, p99 {quantile(took_us, 0.99):.0f} us")
    print(
        f"pending                      {stats.backlog_records:,} records, {stats.backlog_bytes / 2**20:.1f} MiB of journal"
    )
    print(f"growth of memory             {growth_mib:.1f} MiB (limit {GROWTH_LIMIT_MIB:.0f})")
    if stats.backlog_records != calls:
        raise RuntimeError(f"{stats.backlog_records} records are pending, not {calls}: the database was not away")
    return growth_mib


def _drain(sink: JournalSink, cluster: Cluster, calls: int) -> float:
    """Rows a second."""
    from django.db import connections

    from agentcore_metering.adapters.django.models import LLMUsage

    connections.close_all()  # this thread's is broken
    cluster.start()
    began_s = time.perf_counter()
    if not sink.flush(DRAIN_TIMEOUT_S):
        raise RuntimeError(f"{sink.pending()} records are still pending after {DRAIN_TIMEOUT_S:.0f} s")
    elapsed_s = time.perf_counter() - began_s
    rows = LLMUsage.objects.count()
    print(
        f"drained                      {calls / elapsed_s:,.0f} rows/s (limit {DRAIN_LIMIT_ROWS_PER_S:,.0f}), {rows:,} rows in all"
    )
    if rows != calls + WARM_UP_CALLS:
        raise RuntimeError(f"{rows} rows for {calls + WARM_UP_CALLS} calls")
    return calls / elapsed_s


def _measure_control(calls: int) -> float:
    """MiB by which a process grows that keeps the records in memory; a process of its own, so that nothing is left here."""
    measured = subprocess.run(
        [sys.executable, "-c", _CONTROL, str(calls)], env=dict(os.environ), capture_output=True, check=True, text=True
    )
    return float(measured.stdout)


_CONTROL = """
import sys
import django
django.setup()
from benchmarks.backlog import _memory_mib
from benchmarks.calls import ListSink, caller
sink = ListSink()
call = caller(sink)
before_mib = _memory_mib()
for _ in range(int(sys.argv[1])):
    call()
print(_memory_mib() - before_mib)
"""


def _memory_mib() -> float:
    """Resident memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():
        kibibytes = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS")).split()[1]
    else:
        kibibytes = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, check=True, text=True
        ).stdout
    return int(kibibytes) / 1024


if __name__ == "__main__":
    sys.exit(main())
