"""Eight kinds of faults, as a table: each takes the world, breaks something for a while, and mends it. In half of the cases a caller is
killed in the middle.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.chaos.reckoning import missing
from benchmarks.chaos.stage import Stage
from benchmarks.postgres import Cluster

__all__ = ["KILL", "KINDS", "World"]

FAST, LITELLM = "fast", "litellm"
CALLERS = (FAST, FAST, FAST, LITELLM)

LOCK_S = 2.0
AWAY_S = 1.0
SKEW_S = 1.5
FULL_S = 2.0
MENDED_AFTER_S = 1.5
"""For so long a caller whose disk was full looks whether it still is."""
BARRIER_S = 20.0
CLOCK_STEPS_S = (3600.0, -7200.0, 0.5, 86_400.0)


@dataclass(slots=True)
class World:
    """Everything that can break, and who is left to suffer from it."""

    stage: Stage
    cluster: Cluster
    environment: dict[str, str]
    is_small_disk: bool
    """Whether the journals lie on a disk that can be filled; else their limit is exhausted."""
    bugs: tuple[str, ...] = ()
    rng: random.Random = field(default_factory=random.Random)
    callers: list[tuple[str, subprocess.Popen[str]]] = field(default_factory=list)
    sweepers: list[subprocess.Popen[str]] = field(default_factory=list)
    kills: int = 0
    calm_failures: int = 0
    """Times that records in memory did not reach the database within `BARRIER_S` after the disk was free again."""

    def populate(self) -> None:
        """Start the callers."""
        self.callers = [(kind, self._spawn(kind)) for kind in CALLERS]

    def kill(self) -> None:
        """End one caller with all of its children, as the kernel's out-of-memory killer would, and start another one."""
        # LiteLLM takes seconds to import: its caller dies, but less often.
        index = self.rng.choices(range(len(self.callers)), [1 if kind == LITELLM else 6 for kind, _ in self.callers])[0]
        kind, process = self.callers[index]
        _kill_group(process)
        self.callers[index] = kind, self._spawn(kind)
        self.kills += 1

    def kill_sometimes(self) -> None:
        """Kill in half of the cases."""
        if self.rng.random() < 0.5:
            self.kill()

    def depopulate(self) -> None:
        """Kill all callers."""
        for _kind, process in self.callers:
            _kill_group(process)
        for process in self.sweepers:
            _kill_group(process)
        self.callers, self.sweepers = [], []

    def sweep(self) -> None:
        """Run `metering_drain` beside the living, and do not wait for it."""
        self.sweepers.append(self.stage.spawn(self.environment, "drain", "sweep", *self.bugs))

    def sql(self, *statements: str) -> bool:
        """Run statements on a connection of their own; whether the database let them."""
        try:
            with self.cluster.connect() as connection:
                for statement in statements:
                    connection.execute(statement)
        except psycopg.Error:
            return False
        return True

    def _spawn(self, kind: str) -> subprocess.Popen[str]:
        return self.stage.spawn(self.environment, "caller", kind, *self.bugs)


def kill(world: World) -> None:
    """SIGKILL of a process and its children."""
    world.kill()


def stop_postgres(world: World) -> None:
    """A crash of the database, and its recovery."""
    world.cluster.stop(immediate=True)
    time.sleep(AWAY_S / 2)
    world.kill_sometimes()
    time.sleep(AWAY_S / 2)
    world.cluster.start()


def terminate_backends(world: World) -> None:
    """All connections end, as when a pooler is restarted."""
    world.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


def lock_table(world: World) -> None:
    """An exclusive lock, as a migration takes one."""
    with world.cluster.connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE llm_tracker_usage IN ACCESS EXCLUSIVE MODE")
        world.kill_sometimes()
        time.sleep(LOCK_S)


def drop_column(world: World) -> None:
    """A column is missing: code that is newer than the schema."""
    world.sql("ALTER TABLE llm_tracker_usage RENAME COLUMN total_tokens TO elsewhere")
    world.kill_sometimes()
    time.sleep(SKEW_S)
    while not world.sql("ALTER TABLE llm_tracker_usage RENAME COLUMN elsewhere TO total_tokens"):
        time.sleep(0.1)


def delete_user(world: World) -> None:
    """A user goes while calls of his are under way, and comes back as somebody else."""
    world.sql("DELETE FROM auth_user WHERE id = 3")
    time.sleep(0.3)
    world.sql(
        "INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined) "
        "VALUES (3, '', false, 'user3', '', '', '', false, true, now())"
    )


def fill_disk(world: World) -> None:
    """No room for a new segment. Nobody is killed meanwhile: a record in memory alone dies with its process, and that is documented."""
    stage = world.stage
    stage.calm.touch()
    time.sleep(0.2)
    filler = stage.spool / ("filler" if world.is_small_disk else "filler-000001.jnl.v999")
    _fill(filler) if world.is_small_disk else _claim(filler)
    time.sleep(FULL_S)
    filler.unlink()
    time.sleep(MENDED_AFTER_S)
    world.calm_failures += not _wait_until_delivered(world)
    stage.calm.unlink()


def step_clock(world: World) -> None:
    """Everybody's wall clock jumps."""
    world.stage.clock.write_text(str(world.rng.choice(CLOCK_STEPS_S)))
    time.sleep(0.5)
    world.stage.clock.write_text("0")


KILL = "kill -9 of a process and its children"
KINDS: dict[str, Callable[[World], None]] = {
    KILL: kill,
    "PostgreSQL stopped at once, recovered": stop_postgres,
    "all database connections terminated": terminate_backends,
    f"table locked for {LOCK_S:.0f} s": lock_table,
    f"column missing for {SKEW_S} s": drop_column,
    "user deleted": delete_user,
    f"disk full for {FULL_S:.0f} s": fill_disk,
    "wall clock stepped forth and back": step_clock,
}


def _fill(path: Path) -> None:
    block = b"\0" * 65_536
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(block)


def _claim(path: Path) -> None:
    """A file that takes no room but counts for the journals' limit, as those of a later release do."""
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)


def _wait_until_delivered(world: World) -> bool:
    until_s = time.monotonic() + BARRIER_S
    with world.cluster.connect() as connection:
        wanted = missing(world.stage, connection)
        while wanted and time.monotonic() < until_s:
            time.sleep(0.2)
            wanted = missing(world.stage, connection, wanted)
    return not wanted


def _kill_group(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
