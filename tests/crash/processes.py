"""Processes that share the test's database: how they are told of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from django.db import connection

__all__ = ["ROOT", "command", "environment", "run"]

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0


def environment(**changes: str) -> dict[str, str]:
    """For a process that uses the database of this test."""
    settings = connection.settings_dict
    url = f"sqlite:///{settings['NAME']}"
    if connection.vendor == "postgresql":
        url = f"postgresql://{settings['USER']}:{settings['PASSWORD']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"
    return os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"} | changes


def command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"tests.crash.{module}", *arguments]


def run(module: str, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this directory to its end, however it ends."""
    return subprocess.run(
        command(module, *arguments),
        cwd=ROOT,
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
