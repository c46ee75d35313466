"""What was dropped is ended by a thread: one for the process, a child's own, and none is no reason to fail a call."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from agentcore_metering.core import dropped
from agentcore_metering.core.containment import contained_counts

WAIT_S = 30.0


@pytest.fixture
def without_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has not dropped anything, at a moment when no thread can be started."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(dropped, "_owner_pid", 0)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        yield


@pytest.mark.usefixtures("without_thread")
def test_a_thread_that_cannot_be_started_fails_no_call() -> None:
    dropped.prepare()

    assert contained_counts() == {"stream": 1}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_that_is_forked_while_the_thread_is_being_started_starts_its_own() -> None:
    with dropped._lock:
        child = os.fork()
        if not child:
            os._exit(_status_of_a_child())

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_what_a_parent_has_dropped_is_not_ended_by_its_child() -> None:
    dropped.prepare()
    is_busy, may_go_on, done = threading.Event(), threading.Event(), threading.Event()
    dropped.end_later(lambda: (is_busy.set(), may_go_on.wait(WAIT_S)))
    assert is_busy.wait(WAIT_S)
    dropped.end_later(done.set)
    child = os.fork()
    if not child:
        dropped.prepare()
        os._exit(0 if dropped.wait(WAIT_S) and not done.is_set() else 1)
    may_go_on.set()

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert done.wait(WAIT_S)


def _status_of_a_child() -> int:
    done = threading.Event()
    threading.Thread(target=lambda: (dropped.prepare(), dropped.end_later(done.set)), daemon=True).start()
    return 0 if done.wait(5) else 1
