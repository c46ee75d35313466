"""Alarms: each at its time, none that was cancelled, one thread for all, a child's own."""

from __future__ import annotations

import os
import threading

import pytest

from agentcore_metering.core import alarms
from agentcore_metering.core.alarms import set_alarm
from agentcore_metering.core.containment import contained_counts

WAIT_S = 30.0


def test_alarms_go_off_in_the_order_of_their_times_whatever_the_order_in_which_they_were_set() -> None:
    heard: list[str] = []
    done = threading.Event()

    set_alarm(0.05, lambda: (heard.append("late"), done.set()))
    set_alarm(0.01, lambda: heard.append("early"))

    assert done.wait(WAIT_S)
    assert heard == ["early", "late"]


def test_an_alarm_that_was_cancelled_does_not_go_off() -> None:
    heard: list[str] = []
    done = threading.Event()

    cancelled = set_alarm(0.01, lambda: heard.append("cancelled"))
    cancelled.cancel()
    set_alarm(0.03, done.set)

    assert done.wait(WAIT_S)
    assert heard == []


def test_work_that_fails_is_contained_and_the_next_is_done() -> None:
    done = threading.Event()

    set_alarm(0, lambda: 1 / 0)
    set_alarm(0.01, done.set)

    assert done.wait(WAIT_S)
    assert contained_counts() == {"alarm": 1}


def test_one_thread_serves_all_alarms() -> None:
    done = threading.Barrier(2)
    for _ in range(100):
        set_alarm(1_000, lambda: None).cancel()
    set_alarm(0, lambda: done.wait(WAIT_S))

    done.wait(WAIT_S)

    assert [thread.name for thread in threading.enumerate()].count("agentcore-metering-alarms") == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_alarms_of_its_own() -> None:
    parents = set_alarm(1_000, lambda: None)
    child = os.fork()
    if not child:
        rang = threading.Event()
        set_alarm(0, rang.set)
        os._exit(0 if rang.wait(WAIT_S) else 1)
    parents.cancel()

    _pid, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0


@pytest.fixture
def keeper_without_thread(monkeypatch: pytest.MonkeyPatch) -> alarms._Keeper:
    """As in a process in which no thread can be started."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(alarms, "_keeper", alarms._Keeper())
    return alarms._keeper


def test_an_alarm_that_no_thread_can_keep_is_not_kept(keeper_without_thread: alarms._Keeper) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="can't start"):
            set_alarm(0, lambda: None)

    assert keeper_without_thread.alarms == set()


def test_an_alarm_that_is_set_while_the_thread_is_being_started_by_whom_it_interrupts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a signal handler does it: no second thread, and nothing that waits for itself."""
    monkeypatch.setattr(alarms, "_keeper", alarms._Keeper())
    started: list[threading.Thread] = []

    def interrupted(thread: threading.Thread) -> None:
        started.append(thread)
        set_alarm(1_000, lambda: None)

    monkeypatch.setattr(threading.Thread, "start", interrupted)

    set_alarm(1_000, lambda: None)

    assert (len(started), len(alarms._keeper.alarms)) == (1, 2)
