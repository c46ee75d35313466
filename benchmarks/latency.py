"""`make latency`: what metering adds to a call, with a database that works and with one that is frozen; and to a query of usage rows."""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from benchmarks.bench_process import describe_machine, django_on_postgres, quantile, verdict

if TYPE_CHECKING:
    from agentcore_metering.adapters.django.persistence.journal import JournalSink
    from benchmarks.postgres import Cluster

MEDIAN_LIMIT_US = 200.0
P99_LIMIT_US = 1000.0
PAUSE_S = 0.002
"""Between two calls; a provider takes longer."""
WARM_UP_CALLS = 50

Calls = dict[str, Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the calls of one kind took, in microseconds."""

    took_us: list[float]

    def at(self, share: float) -> float:
        """The quantile."""
        return quantile(self.took_us, share)


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency")
    parser.add_argument("--calls", type=int, default=3000, help="of each kind (default: 3000)")
    parser.add_argument(
        "--frozen", type=float, default=10.0, help="seconds for which PostgreSQL stands still (default: 10)"
    )
    parser.add_argument("--slack", type=float, default=1.0, help="by which the limits are multiplied (default: 1)")
    options = parser.parse_args()
    print(f"latency; {describe_machine()}", flush=True)
    with django_on_postgres() as (cluster, directory), ExitStack() as stack:
        from agentcore_metering.adapters.django.persistence.journal import JournalSink

        sink = JournalSink(directory / "spool", "default")
        stack.callback(sink.close)
        judged = [
            *_measure_calls(sink, options.calls),
            *_measure_frozen(sink, cluster, options.frozen),
        ]
        _measure_reads(sink)
        _require_all_rows(sink)
    return verdict(judged, options.slack)


def _measure_calls(sink: JournalSink, calls: int) -> list[tuple[str, float, float]]:
    from benchmarks.calls import NaiveSink, NoSink, caller

    made = {"no sink": caller(NoSink()), "journal": caller(sink), "no sink again": caller(NoSink())}
    figures = _interleave({**made, "inline insert": caller(NaiveSink())}, calls)
    print(f"a call without its provider, {calls} of each kind by turns, {PAUSE_S * 1000:.0f} ms apart; microseconds")
    return _tell(figures)


def _measure_frozen(sink: JournalSink, cluster: Cluster, seconds: float) -> list[tuple[str, float, float]]:
    from benchmarks.calls import NaiveSink, NoSink, caller, in_thread

    naive_took_s: list[float] = []
    is_connected, is_frozen = threading.Event(), threading.Event()

    def naive() -> None:
        call = caller(NaiveSink())
        call()
        is_connected.set()
        is_frozen.wait()
        began_s = time.perf_counter()
        call()
        naive_took_s.append(time.perf_counter() - began_s)

    thread = in_thread(naive)
    is_connected.wait()
    made = {"no sink": caller(NoSink()), "journal": caller(sink), "no sink again": caller(NoSink())}
    with cluster.frozen():
        is_frozen.set()
        figures = _interleave(made, None, time.perf_counter() + seconds)
    thread.join()
    print(
        f"the same while PostgreSQL stands still (SIGSTOP) for {seconds:.0f} s, {len(figures['journal'].took_us)} of each kind"
    )
    judged = _tell(figures)
    print(f"  inline insert, the control, waited {naive_took_s[0]:.1f} s")
    if naive_took_s[0] < seconds / 2:
        raise RuntimeError("the control did not wait: the database was not frozen, and the figures above mean nothing")
    return [(f"{name} (frozen)", value, limit) for name, value, limit in judged]


def _interleave(calls: Calls, rounds: int | None, until_s: float = 0.0) -> dict[str, Figures]:
    """`rounds` of every call, or as many as fit, in a random order: what disturbs one of them disturbs all alike."""
    for call in calls.values():
        for _ in range(WARM_UP_CALLS if rounds else 1):
            call()
    took_us: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for _ in range(rounds) if rounds else count():
        if not rounds and time.perf_counter() > until_s:
            break
        random.shuffle(names)
        for name in names:
            time.sleep(PAUSE_S)
            began_ns = time.perf_counter_ns()
            calls[name]()
            took_us[name].append((time.perf_counter_ns() - began_ns) / 1000)
    return {name: Figures(took) for name, took in took_us.items()}


def _tell(figures: dict[str, Figures]) -> list[tuple[str, float, float]]:
    """Print the figures; what the journal adds, with its limits."""
    print(f"  {'':<16}{'p50':>10}{'p99':>10}{'max':>10}")
    for name, figure in figures.items():
        print(f"  {name:<16}{figure.at(0.5):>10.0f}{figure.at(0.99):>10.0f}{figure.at(1):>10.0f}")
    base = figures["no sink"]
    added = {share: figures["journal"].at(share) - base.at(share) for share in (0.5, 0.99)}
    noise = {share: figures["no sink again"].at(share) - base.at(share) for share in (0.5, 0.99)}
    print(
        f"  the journal adds p50 {added[0.5]:.0f} (limit {MEDIAN_LIMIT_US:.0f}), p99 {added[0.99]:.0f} (limit {P99_LIMIT_US:.0f})"
    )
    print(f"  A/A control: no sink against itself differs by p50 {noise[0.5]:.0f}, p99 {noise[0.99]:.0f}")
    return [("p50 in us", added[0.5], MEDIAN_LIMIT_US), ("p99 in us", added[0.99], P99_LIMIT_US)]


def _measure_reads(sink: JournalSink) -> None:
    """What a query pays for reading its own writes while nothing is pending."""
    from agentcore_metering.adapters.django.models import LLMUsage
    from agentcore_metering.adapters.django.models.querysets import set_read_hook
    from agentcore_metering.adapters.django.persistence.reads import let_reads_wait_for, wait_for_pending

    sink.flush(60)
    rounds = 200_000
    began_ns = time.perf_counter_ns()
    for _ in range(rounds):
        wait_for_pending(sink, "default")
    hook_ns = (time.perf_counter_ns() - began_ns) / rounds
    took_us: dict[bool, list[float]] = {True: [], False: []}
    row_id = LLMUsage.objects.values_list("id", flat=True)[0]
    for number in range(2000):
        waits = bool(number % 2)
        let_reads_wait_for(sink) if waits else set_read_hook(None)
        began_ns = time.perf_counter_ns()
        LLMUsage.objects.filter(id=row_id).first()
        took_us[waits].append((time.perf_counter_ns() - began_ns) / 1000)
    set_read_hook(None)
    print(
        f"a query with nothing pending: the question whether to wait takes {hook_ns:.0f} ns; "
        f"the whole query p50 {quantile(took_us[True], 0.5):.0f} us with it, {quantile(took_us[False], 0.5):.0f} us without"
    )


def _require_all_rows(sink: JournalSink) -> None:
    if not sink.flush(60):
        raise RuntimeError(f"{sink.pending()} records are not in the database a minute later")
    stats = sink.stats()
    print(f"rows by the journal {stats.written:,}, quarantined {stats.quarantined}, dropped {stats.dropped}")
    if stats.quarantined or stats.dropped:
        raise RuntimeError("records did not become rows")


if __name__ == "__main__":
    sys.exit(main())
