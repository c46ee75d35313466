"""A process that delivers what others have left: `python -m benchmarks.chaos.drain DIR adopt|sweep [BUG]`.

`adopt` looks once for dead processes' journals, as every process that makes calls does every second. `sweep` is `metering_drain`.
"""

from __future__ import annotations

import django

django.setup()

import sys  # noqa: E402 - models need the setup

from django.core.management import call_command  # noqa: E402

from agentcore_metering.adapters.django.persistence.journal import JournalSink  # noqa: E402
from agentcore_metering.adapters.django.runtime import get_metering  # noqa: E402
from benchmarks.chaos.bugs import BUGS  # noqa: E402

TIMEOUT_S = 60.0


def adopt() -> None:
    """One look."""
    sink = get_metering().sink
    assert isinstance(sink, JournalSink)
    sink.adopt_once()


def sweep() -> None:
    """All of it; ends with the command's status."""
    call_command("metering_drain", timeout=TIMEOUT_S, stdout=sys.stderr)


if __name__ == "__main__":
    for bug in sys.argv[3:]:
        BUGS[bug]()
    {"adopt": adopt, "sweep": sweep}[sys.argv[2]]()
