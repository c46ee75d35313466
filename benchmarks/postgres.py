"""Owns a PostgreSQL server for one run: made, started, frozen, broken and stopped by whoever measures. Loopback only.

It runs as an unprivileged user, is ended by its own process id, and takes its files with it. What is done in it is left to others.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

__all__ = ["Cluster", "running_cluster"]

USER = "postgres"
START_TIMEOUT_S = 60.0
UNPRIVILEGED_USERS = ("postgres", "nobody")


class Cluster:
    """A server on 127.0.0.1 whose data lies in `directory`."""

    def __init__(self, directory: Path, *, fsync: bool = True) -> None:
        """Side effect: makes the data directory, which takes a second or two, where it has none yet."""
        self._directory = directory
        self._fsync = fsync
        self._programs = _programs()
        self._account = _account()
        self.port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        directory.mkdir(exist_ok=True)
        if (self._data / "PG_VERSION").exists():
            return
        if self._account:
            shutil.chown(directory, self._account, pwd.getpwnam(self._account).pw_gid)
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync")

    @property
    def url(self) -> str:
        """For `DATABASE_URL`."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The same of another database."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def make_database(self, name: str) -> None:
        """Have a database of this name, an empty one if it is not there."""
        with self.connect() as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def connect(self) -> psycopg.Connection[Any]:
        """A connection for the one who measures; each statement is its own transaction."""
        return psycopg.connect(self.url, autocommit=True, connect_timeout=5)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self._directory,
            "max_connections": 80,
            "fsync": "on" if self._fsync else "off",
        }
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (self._directory / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", str(self._data), *arguments],
                stdout=log,
                stderr=log,
                **self._identity(),
            )
        self._wait_until_ready()

    def stop(self, *, immediate: bool = False) -> None:
        """End the server; `immediate` as a crash would, so that the next start has to recover."""
        server, self._server = self._server, None
        if server is not None:
            server.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
            server.wait(START_TIMEOUT_S)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Within the block no process of the server gets any processor time: it neither answers nor closes."""
        assert self._server is not None
        stopped = [self._server.pid, *_children(self._server.pid)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(stopped):
                os.kill(pid, signal.SIGCONT)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _identity(self) -> dict[str, Any]:
        if self._account is None:
            return {}
        group = pwd.getpwnam(self._account).pw_gid
        return {"user": self._account, "group": group, "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments], capture_output=True, check=False, text=True, **self._identity()
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed with status {done.returncode}: {done.stderr.strip()}")

    def _wait_until_ready(self) -> None:
        until_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError as exc:
                if time.monotonic() > until_s:
                    raise TimeoutError(f"PostgreSQL does not answer; see {self._directory / 'server.log'}") from exc
                time.sleep(0.05)
            else:
                return


@contextmanager
def running_cluster(*, fsync: bool = True, kept_in: Path | None = None) -> Iterator[Cluster]:
    """A started server; it is ended when the block is left, and removed unless its data is to be `kept_in` a directory."""
    if kept_in is not None:
        kept_in.mkdir(parents=True, exist_ok=True)
    directory = kept_in or Path(tempfile.mkdtemp(prefix="metering-pg-"))
    directory.chmod(0o711)
    try:
        cluster = Cluster(directory / "pg", fsync=fsync)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        if kept_in is None:
            shutil.rmtree(directory)


def _programs() -> Path:
    """Where `initdb` and `postgres` are."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    for directory in reversed(candidates):
        if (directory / "postgres").exists():
            return directory
    raise SystemExit(
        "PostgreSQL's server is not installed. On Debian: apt-get install postgresql. Elsewhere put initdb on PATH."
    )


def _account() -> str | None:
    """Whom the server runs as: PostgreSQL refuses root. None: whoever started this."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in UNPRIVILEGED_USERS if name in known)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _children(pid: int) -> list[int]:
    """Processes whose parent is `pid`: each connection has one, in a session of its own."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=True, text=True).stdout
    pairs = (line.split() for line in listing.splitlines())
    return [int(child) for child, parent in pairs if int(parent) == pid]
