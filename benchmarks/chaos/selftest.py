"""`make chaos-selftest`: the same check with each of four planted bugs. It must find every one of them, and nothing without one."""

from __future__ import annotations

import argparse
import sys

from benchmarks.bench_process import describe_machine
from benchmarks.chaos.reckoning import Reckoning
from benchmarks.chaos.run import Plan, migrated, perform
from benchmarks.postgres import running_cluster

BUGS = ("acknowledge before commit", "replay with a new id", "adopt without lock", "no reset after fork")
"""The names of `bugs.BUGS`, which can be imported only where Django is set up."""


def main() -> int:
    """Run with each bug; 0 where all were caught and the run without one was clean."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos.selftest")
    parser.add_argument("--seconds", type=float, default=0.0, help="of random faults beside the scenes (default: 0)")
    seconds = parser.parse_args().seconds
    print(f"chaos with planted bugs: scenes and {seconds:.0f} s of random faults; {describe_machine()}", flush=True)
    caught = 0
    with running_cluster() as cluster:
        migrated(cluster)
        clean = perform(cluster, Plan(seconds, has_scenes=True)).reckoning
        _tell("(none)", clean)
        for bug in BUGS:
            reckoning = perform(cluster, Plan(seconds, bugs=(bug,), has_scenes=True)).reckoning
            _tell(bug, reckoning)
            caught += _is_caught(reckoning)
    print(f"caught {caught}/{len(BUGS)}; without a bug {'nothing' if not clean.faults else clean.faults} was found")
    return 0 if caught == len(BUGS) and not clean.faults else 1


def _is_caught(reckoning: Reckoning) -> bool:
    return bool(reckoning.lost) or reckoning.duplicated > 0


def _tell(bug: str, reckoning: Reckoning) -> None:
    print(
        f"  {bug:<28} served {reckoning.served:>6,}  lost {len(reckoning.lost):>5,}  duplicated {reckoning.duplicated:>5,}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
