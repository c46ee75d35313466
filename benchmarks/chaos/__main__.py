"""`make chaos`: exits with 1 unless nothing was lost, nothing doubled, and no caller noticed anything."""

from __future__ import annotations

import argparse
import sys

from benchmarks.bench_process import describe_machine
from benchmarks.chaos.report import tell
from benchmarks.chaos.run import Plan, migrated, perform
from benchmarks.postgres import running_cluster

FULL_RUN_S = 60
CALLS_OF_A_FULL_RUN = 30_000
FAULTS_OF_A_FULL_RUN = 30


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos")
    parser.add_argument("--seconds", type=float, default=100.0, help="of random faults (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="for the order of the faults (default: 1)")
    options = parser.parse_args()
    print(
        f"chaos for {options.seconds:.0f} s, seed {options.seed}; {describe_machine()}; more processes than cores",
        flush=True,
    )
    with running_cluster() as cluster:
        migrated(cluster)
        least_calls = CALLS_OF_A_FULL_RUN if options.seconds >= FULL_RUN_S else 0
        result = perform(cluster, Plan(options.seconds, least_calls, options.seed))
    tell(result)
    found = dict(result.reckoning.faults)
    if options.seconds >= FULL_RUN_S:
        found |= _too_small(result.reckoning.served, sum(result.faults.values()))
    if found:
        print(result.log[-20_000:], file=sys.stderr)
        print(
            f"FAILED: {found}; lost: {result.reckoning.lost[:10]}; wrong: {result.reckoning.wrong[:10]}",
            file=sys.stderr,
        )
    return 1 if found else 0


def _too_small(calls: int, faults: int) -> dict[str, int]:
    """What a full run must have for its figures to mean something."""
    short = {"calls": (calls, CALLS_OF_A_FULL_RUN), "faults": (faults, FAULTS_OF_A_FULL_RUN)}
    return {f"too few {name}": had for name, (had, needed) in short.items() if had < needed}


if __name__ == "__main__":
    sys.exit(main())
