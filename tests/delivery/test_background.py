"""The thread: started when it is needed, woken without waiting, ended when it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Queue

import pytest

from agentcore_metering.delivery import background
from agentcore_metering.delivery.background import BackgroundLoop, Pause

SOON_S = 10.0
"""How long a test waits at most for what should happen at once."""
NEVER_S = 3600.0


class Steps:
    """Tells of every step, and rests as it is told."""

    def __init__(self) -> None:
        self.pause = Pause(NEVER_S)
        self.taken: Queue[str] = Queue()
        self.loop = BackgroundLoop("steps", self.step, linger_s=0.0, at_end=lambda: self.taken.put("end"))

    def step(self) -> Pause:
        self.taken.put("step")
        return self.pause

    def wait(self) -> str:
        return self.taken.get(timeout=SOON_S)


@pytest.fixture
def steps() -> Iterator[Steps]:
    made = Steps()
    yield made
    made.loop.stop(SOON_S)


def test_loop_starts_with_a_step(steps: Steps) -> None:
    assert steps.loop.ensure_running()
    assert steps.loop.ensure_running()

    assert steps.wait() == "step"


def test_loop_makes_a_step_when_its_pause_is_over(steps: Steps) -> None:
    steps.pause = Pause(0.0)
    steps.loop.ensure_running()

    assert [steps.wait(), steps.wait()] == ["step", "step"]


def test_wake_ends_a_pause(steps: Steps) -> None:
    steps.loop.ensure_running()
    steps.wait()

    steps.loop.wake()

    assert steps.wait() == "step"


def test_wake_does_not_end_a_backoff_and_hurry_does(steps: Steps) -> None:
    steps.pause = Pause(NEVER_S, is_backoff=True)
    steps.loop.ensure_running()
    steps.wait()

    steps.loop.wake()
    steps.loop.hurry()

    assert steps.wait() == "step"
    assert steps.taken.empty()


def test_many_wakes_are_one_signal(steps: Steps) -> None:
    for _ in range(1_000):
        steps.loop.wake()

    assert steps.loop._signals.qsize() == 1


def test_stop_ends_the_thread_and_it_can_start_again(steps: Steps) -> None:
    steps.loop.ensure_running()
    steps.wait()

    assert steps.loop.stop(SOON_S)
    assert steps.wait() == "end"

    assert steps.loop.ensure_running()
    assert steps.wait() == "step"


def test_stop_of_a_loop_that_never_ran_is_true(steps: Steps) -> None:
    assert steps.loop.stop(0.0)


def test_stop_of_a_step_that_does_not_end_is_false() -> None:
    release = threading.Event()

    def hang() -> Pause:
        release.wait(SOON_S)
        return Pause(NEVER_S)

    loop = BackgroundLoop("hanging", hang, linger_s=0.0)
    loop.ensure_running()

    assert not loop.stop(0.01)
    release.set()
    assert loop.stop(SOON_S)


def test_stop_by_its_own_step_does_not_wait_for_itself() -> None:
    stopped: Queue[bool] = Queue()

    def stop_itself() -> Pause:
        assert loop.is_current_thread
        stopped.put(loop.stop(SOON_S))
        return Pause(0.0)

    loop = BackgroundLoop("suicidal", stop_itself, linger_s=0.0)
    loop.ensure_running()

    assert stopped.get(timeout=SOON_S)
    assert not loop.is_current_thread
    assert loop.stop(SOON_S)


def test_thread_that_cannot_start_is_told_and_not_tried_at_every_call(
    steps: Steps, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []

    def refuse(thread: threading.Thread) -> None:
        tries.append(thread)
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert [steps.loop.ensure_running(), steps.loop.ensure_running()] == [False, False]
    assert len(tries) == len(caplog.records) == 1


def test_start_of_a_loop_that_another_thread_has_just_started_is_true(steps: Steps) -> None:
    steps.loop.ensure_running()

    assert steps.loop._start()


def test_start_during_a_start_is_left_to_whoever_is_at_it(steps: Steps) -> None:
    with steps.loop._starting:
        assert steps.loop.ensure_running()
    assert steps.loop._thread is None


@pytest.mark.parametrize(
    ("took_s", "lingers_s"),
    [(0.0001, 0.02), (0.01, 0.19), (0.1, 1.9)],
    ids=["a short step lingers as told", "a longer one takes a twentieth of the time", "however long it is"],
)
def test_steps_take_no_more_than_their_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch, took_s: float, lingers_s: float
) -> None:
    now_s = 100.0
    rests: list[float] = []

    def step() -> Pause:
        nonlocal now_s
        now_s += took_s
        return Pause(0.5)

    def rest(_pause: Pause, linger_s: float) -> None:
        rests.append(linger_s)
        loop.stop(0)

    monkeypatch.setattr(background.time, "monotonic", lambda: now_s)
    loop = BackgroundLoop("steps", step, linger_s=0.02, busy_share=0.05)
    monkeypatch.setattr(loop, "_rest", rest)

    loop._run()

    assert rests == [pytest.approx(lingers_s)]


def test_work_that_keeps_coming_waits_no_longer_than_the_pause(steps: Steps) -> None:
    steps.pause = Pause(0.0)
    steps.loop._busy_share = 1e-9
    steps.loop.ensure_running()
    steps.wait()

    steps.loop.wake()

    assert steps.wait() == "step"
