"""The composition root: one meter for a process, its side-channel on the host's metrics, and a child that waits for nobody."""

from __future__ import annotations

import gc
import os
import signal
import threading

import pytest

from agentcore_metering.adapters.django import runtime
from agentcore_metering.telemetry import semconv
from agentcore_metering.telemetry.side_channel import observe_side_channel
from tests.django.persistence.spools import Spool, aged_record
from tests.telemetry.recording import RecordedTelemetry


@pytest.mark.django_db(transaction=True)
def test_side_channel_is_reported_as_it_is(spool: Spool, telemetry: RecordedTelemetry) -> None:
    kept = observe_side_channel(runtime._side_channel_stats, telemetry.meter_provider)
    gc.collect()
    sink = runtime.get_metering().sink
    sink.attempt_ended(aged_record())
    assert sink.flush(10)

    points = telemetry.points()

    assert points[semconv.SPOOL_WRITTEN] == [({}, 1)]
    assert points[semconv.SPOOL_RECORDS] == [({}, 0)]
    assert len(kept) == len(semconv.SIDE_CHANNEL_INSTRUMENTS)


def test_process_without_a_meter_or_a_journal_has_nothing_to_report() -> None:
    assert runtime._side_channel_stats() is None
    runtime.get_metering()  # inline, in tests
    assert runtime._side_channel_stats() is None


def test_instruments_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def observe(read: object) -> list[object]:
        made.append(read)
        return made

    monkeypatch.setattr(runtime, "_instruments", None)
    monkeypatch.setattr(runtime, "observe_side_channel", observe)

    for _ in range(2):
        runtime.get_metering()
        runtime.reset()

    assert made == [runtime._side_channel_stats]


def test_flush_of_a_process_without_calls_makes_no_meter() -> None:
    assert runtime.flush_if_begun(0)
    assert runtime._metering is None


def test_replaced_services_are_the_old_ones_again_afterwards() -> None:
    before = runtime.get_metering().services
    clock = before.clock

    with runtime.services_replaced(clock=clock, sink=before.sink) as during:
        assert runtime.get_metering() is during
    assert runtime.get_metering().services is before


def test_reset_inside_of_replaced_services_is_not_undone() -> None:
    with runtime.services_replaced():
        runtime.reset()

    assert runtime._metering is None


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_forked_child_does_not_wait_for_a_lock_that_a_thread_of_its_parent_holds() -> None:
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with runtime._lock:
            is_held.set()
            may_end.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(10)

    pid = os.fork()
    if pid == 0:
        signal.alarm(5)
        with runtime._lock:
            os._exit(0)
    may_end.set()
    holder.join()

    assert os.waitpid(pid, 0)[1] == 0
