"""Real processes, real forks, real kills, against the provider's ledger: nothing lost, nothing twice.

The same check is run with four planted bugs, each of which it must find: a check that cannot fail proves nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentcore_metering.delivery.adoption import Adopter
from agentcore_metering.delivery.journal import Journal
from agentcore_metering.delivery.throttle import LogThrottle
from tests.delivery.builders import SqliteStore
from tests.delivery.worker import BUGS
from tests.fakes import FakeClock

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Reconciliation:
    """The provider's ledger against the rows."""

    served: int
    lost: int
    duplicated: int
    statuses: dict[str, int]


def command(scenario: str, directory: Path, *bugs: str) -> list[str]:
    return [sys.executable, "-m", "tests.delivery.worker", scenario, str(directory), *bugs]


def start(scenario: str, directory: Path, *bugs: str, **options: Any) -> subprocess.Popen[str]:
    """A worker; what it complains of is kept beside its journal, for a failure to tell."""
    with (directory / "complaints").open("a") as complaints:
        return subprocess.Popen(command(scenario, directory, *bugs), cwd=ROOT, stderr=complaints, text=True, **options)


def run(scenario: str, directory: Path, *bugs: str) -> int:
    """Run a worker to its end; its exit status. However long that takes on a busy machine: the test's own limit ends it."""
    return start(scenario, directory, *bugs).wait()


def complaints_in(directory: Path) -> str:
    return (directory / "complaints").read_text()


@contextmanager
def running(scenario: str, directory: Path, *bugs: str) -> Iterator[subprocess.Popen[str]]:
    """A worker with its children; all of them are killed in the end."""
    process = start(scenario, directory, *bugs, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until_ready(process: subprocess.Popen[str], directory: Path, count: int) -> None:
    assert process.stdout is not None
    for _ in range(count):
        assert process.stdout.readline() == "ready\n", complaints_in(directory)


def adopt(directory: Path) -> int:
    store = SqliteStore(directory / "usage.sqlite3")
    return Adopter(Journal(directory / "spool"), LogThrottle(FakeClock())).adopt(store.write)


def reconcile(directory: Path) -> Reconciliation:
    rows = SqliteStore(directory / "usage.sqlite3").rows()
    ledger = set((directory / "ledger").read_text().split())
    keys = [key for key, _status in rows]
    return Reconciliation(
        len(ledger), len(ledger - set(keys)), len(keys) - len(set(keys)), Counter(status for _key, status in rows)
    )


def left_behind(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "spool").iterdir())


@pytest.mark.parametrize(("scenario", "status"), [("return", 0), ("exception", 1), ("sys.exit", 3)])
def test_process_that_ends_by_itself_has_stored_everything(tmp_path: Path, scenario: str, status: int) -> None:
    assert run(scenario, tmp_path) == status

    assert reconcile(tmp_path) == Reconciliation(100, 0, 0, {"succeeded": 100})
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(("scenario", "status"), [("os._exit", 0), ("SIGTERM", -15), ("SIGSEGV", -11), ("SIGKILL", -9)])
def test_process_that_is_ended_loses_nothing(tmp_path: Path, scenario: str, status: int) -> None:
    assert run(scenario, tmp_path) == status

    adopt(tmp_path)

    assert reconcile(tmp_path) == Reconciliation(100, 0, 0, {"succeeded": 100})
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("scenario", ["fork, return", "fork, os._exit", "fork, SIGKILL"])
def test_fork_after_traffic_loses_neither_parents_nor_childs_records(tmp_path: Path, scenario: str) -> None:
    assert run(scenario, tmp_path) == 0

    adopt(tmp_path)

    assert reconcile(tmp_path) == Reconciliation(200, 0, 0, {"succeeded": 200})
    assert left_behind(tmp_path) == []


def test_kill_between_start_and_end_leaves_an_interrupted_row(tmp_path: Path) -> None:
    with running("leave", tmp_path) as process:
        wait_until_ready(process, tmp_path, 1)

    adopt(tmp_path)

    assert reconcile(tmp_path) == Reconciliation(201, 0, 0, {"succeeded": 200, "interrupted": 1})


def test_two_adopters_at_once_deliver_everything_once(tmp_path: Path) -> None:
    for _ in range(2):
        with running("leave", tmp_path) as process:
            wait_until_ready(process, tmp_path, 1)

    rivals = [start("adopt", tmp_path) for _ in range(2)]

    assert [rival.wait() for rival in rivals] == [0, 0], complaints_in(tmp_path)
    adopt(tmp_path)
    assert reconcile(tmp_path) == Reconciliation(402, 0, 0, {"succeeded": 400, "interrupted": 2})
    assert left_behind(tmp_path) == []


def survive_chaos(directory: Path, *bugs: str) -> Reconciliation:
    """Two processes under an unreliable database, an adopter beside them, a kill of both, and a last adoption.

    Before that the one meeting of an adopter with a living process that costs a record where the lock does not keep them apart.
    """
    be_adopted_alive(directory, *bugs)
    with running("chaos", directory, *bugs) as process:
        while (directory / "ledger").read_text().count("\n") < 150:
            run("adopt", directory, *bugs)
        wait_until_ready(process, directory, 2)
        adopter = start("adopt", directory, *bugs)
    adopter.wait()
    assert run("adopt", directory, *bugs) == 0, complaints_in(directory)
    return reconcile(directory)


def be_adopted_alive(directory: Path, *bugs: str) -> None:
    with running("adopted alive", directory, *bugs) as process:
        wait_until_ready(process, directory, 1)
        assert run("adopt", directory, *bugs) == 0, complaints_in(directory)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.stdout.read() == "", complaints_in(directory)  # it has killed itself


def test_chaos_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    assert survive_chaos(tmp_path) == Reconciliation(264, 0, 0, {"succeeded": 262, "interrupted": 2})


@pytest.mark.parametrize("bug", BUGS)
def test_chaos_finds_a_planted_bug(tmp_path: Path, bug: str) -> None:
    found = survive_chaos(tmp_path, bug)

    assert found.served == 264
    assert found.lost + found.duplicated > 0, f"the check is blind to: {bug}"
