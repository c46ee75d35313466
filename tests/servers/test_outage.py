"""A thousand calls while their table is away, and the process killed: what the operator sees, and what comes of it.

`pytest -m servers -k outage -s` prints the figures that docs/operations.md gives.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers.site import Rows, Site

pytestmark = [pytest.mark.servers, pytest.mark.timeout(170)]

CALLS = 1000
PROGRAM = f"""
import os
from agentcore_metering.adapters.django import LLMTracker
for number in range({CALLS}):
    LLMTracker.call_and_track(
        [{{"role": "user", "content": "hello"}}], node_name="summary", state={{"user_id": 7, "source_type": "web"}}
    )
os.kill(os.getpid(), 9)
"""


def rename_table(directory: Path, old: str, new: str) -> None:
    with closing(sqlite3.connect(directory / "db.sqlite3")) as database:
        database.execute(f"ALTER TABLE {old} RENAME TO {new}")


def test_outage_is_told_and_made_good(site: Site) -> None:
    rename_table(site.directory, "llm_tracker_usage", "elsewhere")
    assert site.manage("shell", "-c", PROGRAM).returncode == -9

    told = site.manage("metering_status", "--json")
    away = site.manage("metering_drain", "--timeout", "0")
    rename_table(site.directory, "elsewhere", "llm_tracker_usage")
    began_s = time.monotonic()
    said = site.drain()
    took_s = time.monotonic() - began_s

    assert (told.returncode, away.returncode) == (2, 2)
    backlog = json.loads(told.stdout)["backlog"]
    assert (backlog["records"], said["written"]) == (CALLS, CALLS)
    assert site.rows() == Rows(CALLS, CALLS, {"succeeded": CALLS})
    figures = (
        f"{backlog['bytes'] / CALLS:.0f} bytes a call; {CALLS} rows drained in {took_s:.1f} s, Django's start included"
    )
    print(f"\n{figures}")  # noqa: T201 - what the page gives
