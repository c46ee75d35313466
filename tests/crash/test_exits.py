"""However a process ends: a hundred calls are a hundred rows after one drain, and nobody waits for long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agentcore_metering.adapters.django.models import LLMUsage
from agentcore_metering.adapters.django.persistence.journal import JournalSink
from tests.crash.processes import run

pytestmark = pytest.mark.django_db(transaction=True)

CALLS = 100
LONGEST_EXIT_S = 5.0
MARGIN_S = 3.0
"""For the interpreter's own end, on a machine that has other things to do."""

WAYS_OUT = [
    ("return", 0),
    ("exception", 1),
    ("SIGTERM", -15),
    ("SIGSEGV", -11),
    ("os._exit", 0),
    ("SIGKILL", -9),
    ("child's os._exit", -9),
]


@pytest.mark.parametrize(("way_out", "status"), WAYS_OUT)
def test_process_leaves_a_row_for_every_call(tmp_path: Path, way_out: str, status: int) -> None:
    ended = run("dying", str(tmp_path), "journal", way_out)
    exit_s = time.monotonic() - float(ended.stdout)

    drain(tmp_path)

    assert ended.returncode == status
    assert LLMUsage.objects.filter(status="succeeded").count() == LLMUsage.objects.count() == CALLS
    assert exit_s < LONGEST_EXIT_S + MARGIN_S
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way_out", ["SIGTERM", "SIGSEGV", "os._exit", "SIGKILL", "child's os._exit"])
def test_queue_in_memory_loses_them(tmp_path: Path, way_out: str) -> None:
    run("dying", str(tmp_path), "memory", way_out)

    drain(tmp_path)

    assert LLMUsage.objects.count() < CALLS


def test_exit_without_a_database_is_bounded_and_leaves_the_rows_to_others(tmp_path: Path) -> None:
    ended = run("dying", str(tmp_path), "journal", "return", DATABASE_URL="postgresql://nobody@127.0.0.1:9/nothing")
    exit_s = time.monotonic() - float(ended.stdout)

    drain(tmp_path)

    assert (ended.returncode, LLMUsage.objects.count()) == (0, CALLS)
    assert exit_s < LONGEST_EXIT_S + MARGIN_S


def drain(directory: Path) -> None:
    """What `metering_drain` does in a process of its own."""
    sink = JournalSink(directory, "default")
    sink.adopt_once()
    sink.close()
