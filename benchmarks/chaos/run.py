"""Owns the course of a run: stage and players are set up, the scenes are played, faults come at random, and then it is reckoned."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.faults import KILL, KINDS, World
from benchmarks.chaos.reckoning import Reckoning, count_served, reckon
from benchmarks.chaos.scenes import play
from benchmarks.chaos.stage import ROOT, Stage
from benchmarks.postgres import Cluster

__all__ = ["Plan", "Result", "migrated", "perform"]

DISK_MIB = 96
LONGEST = 3
SWEPT_BESIDE = "user deleted"
"""The fault after which `metering_drain` runs beside the living: one that lets the database work."""
WARM_UP_S = 3.0
"""Until callers are there to be killed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run consists of."""

    seconds: float
    """Of random faults; 0: none."""
    least_calls: int = 0
    """It goes on until the provider has served so many, but no longer than `LONGEST` times `seconds`."""
    seed: int = 0
    bugs: tuple[str, ...] = ()
    has_scenes: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run."""

    reckoning: Reckoning
    faults: Counter[str]
    calm_failures: int
    elapsed_s: float
    disk: str
    log: str
    """What the processes wrote, and what callers complained of; to look at when something was found."""


def migrated(cluster: Cluster) -> None:
    """Make the tables and the users."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "DATABASE_URL": cluster.url,
        "SPOOL_DIR": "/nowhere",
    }
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    with cluster.connect() as connection:
        connection.execute(
            "INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined) "
            "SELECT n, '', false, 'user' || n, '', '', '', false, true, now() FROM generate_series(1, 3) AS n"
        )


def perform(cluster: Cluster, plan: Plan) -> Result:
    """One run in a database that was emptied for it."""
    began_s = time.monotonic()
    with _stage() as (stage, disk), _provider(stage) as stub_url:
        world = World(
            stage,
            cluster,
            stage.environment(cluster.url, stub_url),
            is_small_disk=disk != LIMIT,
            bugs=plan.bugs,
            rng=random.Random(plan.seed),
        )
        world.sql("TRUNCATE llm_tracker_usage")
        if plan.has_scenes:
            play(stage, world.environment, plan.bugs)
        faults = _rage(world, plan) if plan.seconds else Counter[str]()
        _drain(world)
        with cluster.connect() as connection:
            reckoning = reckon(stage, connection)
        log = stage.complaints.read_text() + stage.log.read_text()
        return Result(reckoning, faults, world.calm_failures, time.monotonic() - began_s, disk, log)


def _rage(world: World, plan: Plan) -> Counter[str]:
    """Faults of every kind in a random order, again and again; one in three is a kill. Ends with a kill of everybody."""
    try:
        world.populate()
        time.sleep(WARM_UP_S)
        faults = _break_things(world, plan)
    finally:
        world.depopulate()
    faults[KILL] = world.kills
    return faults


def _break_things(world: World, plan: Plan) -> Counter[str]:
    faults: Counter[str] = Counter()
    began_s = time.monotonic()
    until_s = began_s + plan.seconds
    while time.monotonic() < until_s or (
        count_served(world.stage) < plan.least_calls and time.monotonic() < began_s + plan.seconds * LONGEST
    ):
        kinds = [*KINDS, KILL, KILL, KILL]
        world.rng.shuffle(kinds)
        for kind in kinds:
            KINDS[kind](world)
            faults[kind] += 1
            time.sleep(world.rng.uniform(0.1, 0.4))
            if kind == SWEPT_BESIDE:
                world.sweep()
            if time.monotonic() > until_s and set(faults) == set(KINDS):
                break
    return faults


def _drain(world: World) -> None:
    """Once, after everybody is dead: what the command leaves is found by the reckoning."""
    with world.stage.log.open("a") as log:
        command = world.stage.command("drain", "sweep", *world.bugs)
        subprocess.run(command, cwd=ROOT, env=world.environment, stderr=log, check=False)


@contextmanager
def _provider(stage: Stage) -> Iterator[str]:
    process = stage.spawn(dict(os.environ), "provider")
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


LIMIT = "the journals' own limit"


@contextmanager
def _stage() -> Iterator[tuple[Stage, str]]:
    stage = Stage(Path(tempfile.mkdtemp(prefix="metering-chaos-")))
    stage.make()
    disk = LIMIT
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "tmpfs", str(stage.spool)]
    if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        disk = f"a tmpfs of {DISK_MIB} MiB"
    try:
        yield stage, disk
    finally:
        if disk != LIMIT:
            subprocess.run(["umount", str(stage.spool)], check=True)
        shutil.rmtree(stage.directory)
