"""Owns where things are during a run: directories, the environment of its processes, and the signs by which they are led."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Stage"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Stage:
    """One run's directory. Everything in it goes when the run is over."""

    directory: Path

    @property
    def spool(self) -> Path:
        """The journals of all callers, perhaps on a disk of its own."""
        return self.directory / "spool"

    @property
    def ledger(self) -> Path:
        """What the provider has served: a file for each caller, a line for each request."""
        return self.directory / "ledger"

    @property
    def timings(self) -> Path:
        """How long metering kept each call, in nanoseconds."""
        return self.directory / "timings"

    @property
    def complaints(self) -> Path:
        """What callers saw that they should not have: exceptions, and errors that metering hid from them."""
        return self.directory / "complaints"

    @property
    def refusals(self) -> Path:
        """Calls that were not sent because no configuration could be read."""
        return self.directory / "refusals"

    @property
    def log(self) -> Path:
        """What the callers' processes wrote to stderr."""
        return self.directory / "callers.log"

    @property
    def calm(self) -> Path:
        """While this file is there, no caller ends by itself: a full disk leaves him with what is in memory alone."""
        return self.directory / "calm"

    @property
    def clock(self) -> Path:
        """Seconds by which the callers' wall clock is wrong."""
        return self.directory / "clock"

    def make(self) -> None:
        """Make the directories."""
        for path in (self.spool, self.ledger, self.timings):
            path.mkdir(parents=True, exist_ok=True)
        for path in (self.complaints, self.refusals, self.log):
            path.touch()

    def environment(self, database_url: str, stub_url: str) -> dict[str, str]:
        """For every process of the run."""
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "DATABASE_URL": database_url,
            "STUB_URL": stub_url,
            "SPOOL_DIR": str(self.spool),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }

    def command(self, part: str, *arguments: str) -> list[str]:
        """How a process of the run is started."""
        return [sys.executable, "-m", f"benchmarks.chaos.{part}", str(self.directory), *arguments]

    def spawn(self, environment: dict[str, str], part: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a process in a group of its own, so that it can be killed together with its children."""
        with self.log.open("a") as log:
            return subprocess.Popen(
                self.command(part, *arguments),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
