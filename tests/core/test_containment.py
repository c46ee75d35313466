"""Errors of metering stop, are counted, and are told once a minute."""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import Any

import pytest

from agentcore_metering.core import containment
from agentcore_metering.core.containment import contained, contained_counts


def test_contained_stops_and_counts_and_logs_the_first(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        with contained("telemetry"):
            raise RuntimeError("exporter gone")

    assert contained_counts() == {"telemetry": 3}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "exporter gone" in caplog.text


def test_contained_logs_again_after_a_minute(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    monkeypatch.setattr(containment.time, "monotonic", lambda: now_s)
    for now_s in (1000.0, 1059.0, 1060.0):  # noqa: B007 - read by the lambda
        with contained("telemetry"):
            raise RuntimeError("exporter gone")

    assert len(caplog.records) == 2


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_contained_lets_interrupts_through(interrupt: type[BaseException]) -> None:
    with pytest.raises(interrupt), contained("telemetry"):
        raise interrupt


def test_contained_in_a_signal_handler_that_interrupts_a_report_does_not_wait_for_it() -> None:
    def fail(*_arguments: Any) -> None:
        with contained("handler"):
            raise RuntimeError("in the handler")

    previous = signal.signal(signal.SIGUSR1, fail)
    try:
        with containment._lock:  # as if the signal came in the middle of a report
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, previous)

    assert contained_counts() == {"handler": 1}


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_forked_child_begins_at_zero_although_another_thread_held_the_lock() -> None:
    with contained("telemetry"):
        raise RuntimeError("before the fork")
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with containment._lock:
            is_held.set()
            may_end.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(10)

    pid = os.fork()
    if pid == 0:
        signal.alarm(5)  # ends a child that waits for the lock
        os._exit(0 if contained_counts() == {} else 1)
    may_end.set()
    holder.join()

    assert os.waitpid(pid, 0)[1] == 0
    assert contained_counts() == {"telemetry": 1}
