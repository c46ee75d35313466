"""One deployment of the example host: its directory and database, the server that runs it, and what came of the calls."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from example.stub_provider import StubProvider

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0
END_S = 30.0
CALLS = 100
AT_ONCE = 4


@dataclass(frozen=True)
class Rows:
    """The usage rows of a database."""

    count: int
    distinct_calls: int
    statuses: dict[str, int]


EXACTLY = Rows(CALLS, CALLS, {"succeeded": CALLS})


@dataclass(frozen=True)
class Site:
    """A directory with a migrated database; the provider is a stub in this process."""

    directory: Path
    stub: StubProvider

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DATABASE_"))}
        search = [str(self.directory), str(ROOT), os.environ.get("PYTHONPATH", "")]
        return inherited | {
            "DJANGO_SETTINGS_MODULE": "tests.servers.settings",
            "EXAMPLE_DATA_DIR": str(self.directory),
            "STUB_API_BASE": self.stub.api_base(),
            "PYTHONPATH": os.pathsep.join(filter(None, search)),
            "PYTHONUNBUFFERED": "1",
            "HOME": str(self.directory),  # gunicorn puts a socket there
        }

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A management command, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "example.manage", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=END_S + START_S,
            check=False,
        )

    def drain(self) -> dict[str, Any]:
        """What `metering_drain` says; it leaves nothing."""
        ended = self.manage("metering_drain", "--json", "--timeout", str(END_S))
        assert ended.returncode == 0, ended.stdout + ended.stderr
        said: dict[str, Any] = json.loads(ended.stdout)
        return said

    def rows(self) -> Rows:
        with closing(sqlite3.connect(self.directory / "db.sqlite3")) as database:
            found = database.execute("SELECT call_id, status FROM llm_tracker_usage").fetchall()
        return Rows(len(found), len({call for call, _ in found}), dict(Counter(status for _, status in found)))

    @contextmanager
    def running(self, command: Sequence[str]) -> Iterator[Server]:
        """A process of this site, and all of its children; what is left of them in the end is killed."""
        with (self.directory / "log").open("ab") as log:
            server = Server(self, start(command, self.environment, log))
        try:
            yield server
        finally:
            server.end(signal.SIGKILL)


class Server:
    """A running server and the processes that it has started."""

    def __init__(self, site: Site, process: subprocess.Popen[bytes]) -> None:
        self._site = site
        self._process = process

    def ask(self, port: int, count: int = CALLS) -> None:
        """So many calls through the host's own view, some at once."""
        wait_until(lambda: accepts(port), self)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            assert list(pool.map(lambda number: post(port, number), range(count))) == [200] * count, self.log

    def end(self, how: signal.Signals) -> None:
        """Signal the process, or all of its family with SIGKILL and, as a terminal does, with SIGINT; and wait for its end."""
        if how in (signal.SIGKILL, signal.SIGINT):
            try:
                os.killpg(self._process.pid, how)
            except ProcessLookupError:
                return
        else:
            self._process.send_signal(how)
        self._process.wait(END_S)

    def wait(self) -> None:
        """Until it has ended by itself, well."""
        assert self._process.wait(START_S) == 0, self.log

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def log(self) -> str:
        return (self._site.directory / "log").read_text()


def start(command: Sequence[str], environment: dict[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    # In a session of its own, so that it can be killed with its children and without anybody else.
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )


def wait_until(is_so: Callable[[], bool], server: Server, timeout_s: float = START_S) -> None:
    """Poll, because what is waited for happens in another process."""
    until_s = time.monotonic() + timeout_s
    while not is_so():
        assert not server.has_ended, server.log
        assert time.monotonic() < until_s, server.log
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def post(port: int, number: int) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/ask/",
        json.dumps({"prompt": f"number {number}"}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=START_S) as response:
        response.read()
        status: int = response.status
        return status
