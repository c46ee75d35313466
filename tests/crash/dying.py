"""A Django process that makes a hundred calls and ends: `python -m tests.crash.dying DIRECTORY SINK WAY_OUT`.

It prints its time (seconds, monotonic) just before it ends. The sink `memory` is the control: a queue and a thread, as telemetry has.
"""

from __future__ import annotations

import django

django.setup()

import os  # noqa: E402 - models need the setup
import queue  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

from agentcore_metering.adapters.django.persistence.journal import JournalSink  # noqa: E402
from agentcore_metering.adapters.django.persistence.rows import write_rows  # noqa: E402
from agentcore_metering.core.types import AttemptRecord, AttemptStart  # noqa: E402
from tests.delivery.builders import end_of, make_start  # noqa: E402

CALLS = 100
BATCH_INTERVAL_S = 0.5


class MemorySink:
    """Batches in memory, written by a thread that a fork leaves behind."""

    def __init__(self) -> None:
        self._queue: queue.Queue[AttemptRecord] = queue.Queue()
        threading.Thread(target=self._write, daemon=True).start()

    def attempt_started(self, start: AttemptStart) -> None:
        """Nothing."""

    def attempt_ended(self, record: AttemptRecord) -> None:
        self._queue.put(record)

    def _write(self) -> None:
        while True:
            time.sleep(BATCH_INTERVAL_S)
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            write_rows(batch, "default")


Sink = JournalSink | MemorySink


def calls(sink: Sink, count: int) -> None:
    for _ in range(count):
        start = make_start()
        sink.attempt_started(start)
        sink.attempt_ended(end_of(start))


def alone(way_out: Callable[[], object]) -> Callable[[Sink], None]:
    def run(sink: Sink) -> None:
        calls(sink, CALLS)
        tell_time()
        way_out()

    return run


def forked(way_out: Callable[[], object]) -> Callable[[Sink], None]:
    """The calls are a child's, after traffic in its parent; the parent is killed before it can deliver anything."""

    def run(sink: Sink) -> None:
        calls(sink, CALLS // 2)
        child = os.fork()
        if child == 0:
            calls(sink, CALLS // 2)
            way_out()
        os.waitpid(child, 0)
        tell_time()
        os.kill(os.getpid(), signal.SIGKILL)

    return run


def tell_time() -> None:
    sys.stdout.write(f"{time.monotonic()}\n")
    sys.stdout.flush()


def die(number: int) -> Callable[[], object]:
    return lambda: os.kill(os.getpid(), number)


def fail() -> None:
    raise LookupError("the program has a bug")


WAYS_OUT: dict[str, Callable[[Sink], None]] = {
    "return": alone(lambda: None),
    "exception": alone(fail),
    "SIGTERM": alone(die(signal.SIGTERM)),
    "SIGSEGV": alone(die(signal.SIGSEGV)),
    "os._exit": alone(lambda: os._exit(0)),
    "SIGKILL": alone(die(signal.SIGKILL)),
    "child's os._exit": forked(lambda: os._exit(0)),
}

if __name__ == "__main__":
    made: Sink = JournalSink(Path(sys.argv[1]), "default") if sys.argv[2] == "journal" else MemorySink()
    WAYS_OUT[sys.argv[3]](made)
