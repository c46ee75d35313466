"""`make startup`: what the app adds to the start of a Django project, in processes of their own that take turns.

A project with Django's own apps is set up without this app, with it, and once more without it as the control. The admin counts apart,
because Django imports every app's admin while it starts.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.bench_process import describe_machine, verdict

LIMIT_MS = 50.0
WARM_UPS = 2
"""Starts of each kind that are not counted: they fill the disk's cache and write the byte code."""

MAX_BALLAST = 80_000
"""Objects that a turn makes before it starts, from none to so many, the same number for each kind.

Python's collector goes through everything once in some 80,000 objects, which takes as long as all the app's imports. Without ballast
it would depend on the machine's Django alone whether that falls upon the app; with it, it falls upon one turn in ten.
"""

APP = "agentcore_metering.adapters.django"
PLAIN = ("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages")
HOSTS = {"with the admin": (*PLAIN, "django.contrib.admin"), "without the admin": PLAIN}

_PROGRAM = """
import sys
ballast = [[] for _ in range(int(sys.argv[2]))]
from django.conf import settings
settings.configure(
    INSTALLED_APPS=sys.argv[1].split(","),
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    SECRET_KEY="a key for measurements only",
    USE_TZ=True,
)
if "agentcore_metering.adapters.django" in sys.argv[1]:
    import agentcore_metering.adapters.django
import django
django.setup()
"""


@dataclass(frozen=True, slots=True)
class Start:
    """What one process took from its beginning to its end, in milliseconds."""

    cpu_ms: float
    """User and system time."""
    wall_ms: float


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--pairs", type=int, default=30, help="starts of each kind (default: 30)")
    parser.add_argument("--slack", type=float, default=1.0, help="by which the limit is multiplied (default: 1)")
    options = parser.parse_args()
    print(f"startup; {describe_machine()}; {options.pairs} starts of each kind by turns; milliseconds", flush=True)
    judged = [
        (f"CPU added {name}, in ms", _measure(name, apps, options.pairs), LIMIT_MS) for name, apps in HOSTS.items()
    ]
    return verdict(judged, options.slack)


def _measure(name: str, apps: tuple[str, ...], pairs: int) -> float:
    """Print the figures of one kind of project; the CPU that the app adds, in milliseconds."""
    kinds = {"Django": apps, "with the app": (*apps, APP), "Django again": apps}
    took: dict[str, list[Start]] = {kind: [] for kind in kinds}
    for turn in range(-WARM_UPS, pairs):
        # In an order drawn anew, so that a machine that slows down slows all of them.
        ballast = random.randrange(MAX_BALLAST)
        for kind in random.sample(list(kinds), len(kinds)):
            start = _start(kinds[kind], ballast)
            if turn >= 0:
                took[kind].append(start)
    print(f"{name}\n  {'':<14}{'CPU p50':>10}{'min':>8}{'wall p50':>10}{'min':>8}")
    for kind, starts in took.items():
        cpu, wall = [each.cpu_ms for each in starts], [each.wall_ms for each in starts]
        print(
            f"  {kind:<14}{statistics.median(cpu):>10.0f}{min(cpu):>8.0f}{statistics.median(wall):>10.0f}{min(wall):>8.0f}"
        )
    added, noise = _added(took, "with the app"), _added(took, "Django again")
    print(f"  the app adds {added.cpu_ms:.0f} CPU, {added.wall_ms:.0f} wall (limit {LIMIT_MS:.0f} CPU)")
    print(f"  A/A control: {noise.cpu_ms:+.0f} CPU, {noise.wall_ms:+.0f} wall")
    return added.cpu_ms


def _added(took: dict[str, list[Start]], kind: str) -> Start:
    """The median of the differences within each turn."""
    turns = list(zip(took[kind], took["Django"], strict=True))
    return Start(
        statistics.median(one.cpu_ms - base.cpu_ms for one, base in turns),
        statistics.median(one.wall_ms - base.wall_ms for one, base in turns),
    )


def _start(apps: tuple[str, ...], ballast: int) -> Start:
    began_s = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM, ",".join(apps), str(ballast)])
    _pid, status, used = os.wait4(process.pid, 0)
    wall_ms = (time.perf_counter() - began_s) * 1000
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"a project with {apps} did not start: status {process.returncode}; its reason stands above")
    return Start((used.ru_utime + used.ru_stime) * 1000, wall_ms)


if __name__ == "__main__":
    sys.exit(main())
