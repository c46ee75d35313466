"""A process that calls providers and dies: `python -m tests.delivery.worker SCENARIO DIRECTORY [BUG]`.

The directory has the journal (`spool`), the database (`usage.sqlite3`) and the provider's own ledger (`ledger`).
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from agentcore_metering.core.ids import uuid7
from agentcore_metering.core.types import AttemptRecord
from agentcore_metering.delivery.drain import Drain
from agentcore_metering.delivery.journal import Chunk, Journal
from agentcore_metering.delivery.store import StoreUnavailable
from agentcore_metering.delivery.writer import Writer
from tests.delivery.builders import SqliteStore, end_of, make_start

NEVER_S = 3600.0
SEGMENT_BYTES = 32 * 1024


class FlakyStore(SqliteStore):
    """Fails in every way that a database can: before the commit, after it, and in the end for good."""

    def __init__(self, path: Path, outages_after: int) -> None:
        super().__init__(path)
        self._writes = 0
        self._outages_after = outages_after

    def write(self, records: Sequence[AttemptRecord]) -> None:
        self._writes += 1
        if self._writes == 1 or self._writes > self._outages_after:
            raise StoreUnavailable("no route to host")
        super().write(records)
        if self._writes == 2:
            raise StoreUnavailable("the connection was lost after the commit")


class HangingStore(SqliteStore):
    """Takes a batch and never answers."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.has_batch = threading.Event()

    def write(self, records: Sequence[AttemptRecord]) -> None:
        self.has_batch.set()
        threading.Event().wait()


class Process:
    """This process's writer, and the provider that keeps a ledger of the calls that it served."""

    def __init__(self, directory: Path, store: SqliteStore) -> None:
        self.writer = Writer(Journal(directory / "spool", segment_bytes=SEGMENT_BYTES), store)
        self._ledger = os.open(directory / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._calls = 0

    def call(self, *, is_killed: bool = False) -> None:
        self._calls += 1
        start = make_start(f"{os.getpid()}-{self._calls}")
        self.writer.attempt_started(start)
        os.write(self._ledger, f"{start.context.metadata['key']}\n".encode())
        if is_killed:
            os.write(1, b"ready\n")
            time.sleep(NEVER_S)
        self.writer.attempt_ended(end_of(start))

    def calls(self, count: int, pause_s: float = 0.0) -> None:
        for _ in range(count):
            self.call()
            time.sleep(pause_s)


def chaos(directory: Path) -> None:
    """Traffic, a fork, traffic in both, and a call that is under way when both are killed."""
    process = Process(directory, FlakyStore(directory / "usage.sqlite3", outages_after=4))
    process.calls(60, 0.001)
    os.fork()
    process.calls(100, 0.002)
    process.call(is_killed=True)


def leave(directory: Path) -> None:
    """Many records that cannot be delivered, and a kill."""
    process = Process(directory, FlakyStore(directory / "usage.sqlite3", outages_after=0))
    process.calls(200)
    process.call(is_killed=True)


def adopted_alive(directory: Path) -> None:
    """A call whose record cannot be delivered, an adopter beside this process, a call after it, and a kill."""
    store = HangingStore(directory / "usage.sqlite3")
    process = Process(directory, store)
    process.call()
    store.has_batch.wait()  # until the writer hangs, so that it sees nothing of what the adopter does
    os.write(1, b"ready\n")
    sys.stdin.readline()
    process.call()
    die(signal.SIGKILL)()


def adopt(directory: Path) -> None:
    """Deliver what others have left."""
    Process(directory, SqliteStore(directory / "usage.sqlite3")).writer.adopt_once()


def ends_by(way_out: Callable[[], object]) -> Callable[[Path], None]:
    """A hundred calls, and the process ends."""

    def run(directory: Path) -> None:
        Process(directory, SqliteStore(directory / "usage.sqlite3")).calls(100)
        way_out()

    return run


def forked_ends_by(way_out: Callable[[], object]) -> Callable[[Path], None]:
    """A fork after traffic; the child has a hundred calls of its own."""

    def run(directory: Path) -> None:
        process = Process(directory, SqliteStore(directory / "usage.sqlite3"))
        process.calls(50)
        child = os.fork()
        process.calls(50 if child else 100)
        if child:
            os.waitpid(child, 0)
        else:
            way_out()

    return run


def die(number: int) -> Callable[[], object]:
    return lambda: os.kill(os.getpid(), number)


def fail() -> None:
    raise LookupError("the program has a bug")


SCENARIOS: dict[str, Callable[[Path], None]] = {
    "chaos": chaos,
    "leave": leave,
    "adopted alive": adopted_alive,
    "adopt": adopt,
    "return": ends_by(lambda: None),
    "exception": ends_by(fail),
    "sys.exit": ends_by(lambda: sys.exit(3)),
    "os._exit": ends_by(lambda: os._exit(0)),
    "SIGTERM": ends_by(die(signal.SIGTERM)),
    "SIGSEGV": ends_by(die(signal.SIGSEGV)),
    "SIGKILL": ends_by(die(signal.SIGKILL)),
    "fork, return": forked_ends_by(lambda: None),
    "fork, os._exit": forked_ends_by(lambda: os._exit(0)),
    "fork, SIGKILL": forked_ends_by(die(signal.SIGKILL)),
}


def acknowledge_before_commit() -> None:
    def deliver_chunk(drain: Drain, chunk: Chunk) -> None:
        drain._journal.acknowledge(chunk)
        drain._deliver(chunk.records)

    plant(Drain, "_deliver_chunk", deliver_chunk)


def replay_with_a_new_id() -> None:
    write = SqliteStore.write

    def write_anew(store: SqliteStore, records: Sequence[AttemptRecord]) -> None:
        write(store, [replace(record, id=uuid7()) for record in records])

    plant(SqliteStore, "write", write_anew)


def adopt_without_lock() -> None:
    plant(fcntl, "flock", lambda fd, operation: None)


def keep_the_parents_journal() -> None:
    for part in (Journal, Writer):
        plant(part, "after_fork_in_child", lambda part: None)


def plant(place: object, name: str, bug: Callable[..., object]) -> None:
    setattr(place, name, bug)


BUGS: dict[str, Callable[[], None]] = {
    "acknowledge before commit": acknowledge_before_commit,
    "replay with a new id": replay_with_a_new_id,
    "adopt without lock": adopt_without_lock,
    "no reset after fork": keep_the_parents_journal,
}

if __name__ == "__main__":
    for bug in sys.argv[3:]:
        BUGS[bug]()
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
