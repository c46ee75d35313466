"""A process that calls providers until it is killed: `python -m benchmarks.chaos.caller DIR fast|litellm [BUG]`.

It forks after traffic; its children call, too, and leave in every way that there is.
"""

from __future__ import annotations

import django

django.setup()

import os  # noqa: E402 - models need the setup
import random  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from contextlib import suppress  # noqa: E402
from pathlib import Path  # noqa: E402

from django.conf import settings  # noqa: E402
from django.db import DatabaseError, connections  # noqa: E402

from agentcore_metering.adapters.django import LLMTracker  # noqa: E402
from agentcore_metering.adapters.django.persistence.journal import DjangoRowStore  # noqa: E402
from agentcore_metering.adapters.django.runtime import get_metering  # noqa: E402
from agentcore_metering.core.containment import contained_counts  # noqa: E402
from agentcore_metering.core.types import AttemptRecord, CallContext  # noqa: E402
from agentcore_metering.delivery.store import StoreUnavailable  # noqa: E402
from benchmarks.chaos.bugs import BUGS  # noqa: E402
from benchmarks.chaos.calling import USERS, FastCaller, SteppedClock, TimedSink, make_key_source, spoiled  # noqa: E402
from benchmarks.chaos.stage import Stage  # noqa: E402

__all__ = ["lose_answers"]

CALLS_BEFORE_FORK = 150
LONGEST_PAUSE_S = 0.03
LITELLM_PAUSE_S = 0.05
LOST_ANSWERS = 0.02
"""Share of the commits after which the connection breaks, so that nobody knows of them."""

WAYS_OUT: tuple[Callable[[], object], ...] = (
    lambda: os._exit(0),
    lambda: os.kill(os.getpid(), signal.SIGKILL),
    lambda: sys.exit(0),
)
MakeCall = Callable[[], Callable[[], None]]


class Traffic:
    """The threads and children of one process. `make_call` is called in each of them: connections are nobody else's."""

    def __init__(self, stage: Stage, make_call: MakeCall, longest_pause_s: float) -> None:
        self._stage = stage
        self._make_call = make_call
        self._longest_pause_s = longest_pause_s
        self._hidden = 0

    def run(self) -> None:
        """Call for ever."""
        threading.Thread(target=self._calls, daemon=True).start()
        while True:
            self._calls(CALLS_BEFORE_FORK)
            connections.close_all()  # as every host must: a child may not speak on its parent's connection
            if os.fork() == 0:
                self._calls(CALLS_BEFORE_FORK)
                self._leave()
            with suppress(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)

    def _calls(self, count: int = sys.maxsize) -> None:
        call = self._make_call()
        for _ in range(count):
            try:
                call()
            except Exception:  # noqa: BLE001 - whatever a caller sees is what is looked for
                self._complain(traceback.format_exc())
                time.sleep(0.1)
            self._tell_hidden_errors()
            time.sleep(random.uniform(0, self._longest_pause_s))

    def _leave(self) -> None:
        while self._stage.calm.exists():
            time.sleep(0.05)
        random.choice(WAYS_OUT)()

    def _tell_hidden_errors(self) -> None:
        counts = contained_counts()
        if sum(counts.values()) > self._hidden:
            self._hidden = sum(counts.values())
            self._complain(f"metering hid {counts}\n")

    def _complain(self, text: str) -> None:
        with self._stage.complaints.open("a") as file:
            file.write(f"--- process {os.getpid()}\n{text}")


def fast(stage: Stage) -> Traffic:
    """The core and the journal, without LiteLLM."""
    sink = TimedSink(get_metering().sink, stage.timings)
    return Traffic(stage, lambda: FastCaller(stage, sink, os.environ["STUB_URL"]).call, LONGEST_PAUSE_S)


def litellm(stage: Stage) -> Traffic:
    """The whole front door, plain and streaming."""
    return Traffic(stage, lambda: LiteLLMCaller(stage).call, LITELLM_PAUSE_S)


class LiteLLMCaller:
    """Calls by `LLMTracker`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._next_key = make_key_source()
        # LiteLLM keeps its connections by key; a forked child must not speak on its parent's.
        options = settings.AGENTCORE_METERING_LLM["config"]  # type: ignore[misc]  # the plugin knows the tests' settings
        options["api_key"] = f"key-of-{os.getpid()}-{threading.get_ident()}"

    def call(self) -> None:
        """One call; refused before it is sent where the database, asked for the configuration, does not answer."""
        key = self._next_key()
        context = spoiled(CallContext(random.choice(USERS), "litellm"))
        state = {
            "user_id": context.user_id,
            "source_type": context.source_type,
            "metadata": {"key": key, "path": "litellm"},
        }
        content = f"call {key} [[stub: in={random.randrange(1, 500)} out=7]]"
        messages = [{"role": "user", "content": content}]
        is_streaming = random.random() < 0.3
        try:
            answer = LLMTracker.call_and_track(
                messages, node_name=context.node_name or "", state=state, stream=is_streaming
            )
            if is_streaming:
                for _delta in answer:
                    pass
        except DatabaseError:
            connections.close_all()
            with self._stage.refusals.open("a") as file:
                file.write(f"{key}\n")
            time.sleep(0.1)


def lose_answers(share: float) -> None:
    """After this share of commits, behave as if the connection had been lost before the answer came."""
    write = DjangoRowStore.write

    def write_and_lose(store: DjangoRowStore, records: Sequence[AttemptRecord]) -> None:
        write(store, records)
        if random.random() < share:
            store.release()
            raise StoreUnavailable("the connection was lost after the commit")

    DjangoRowStore.write = write_and_lose  # type: ignore[method-assign, assignment]


def main() -> None:
    """Prepare this process and call."""
    stage = Stage(Path(sys.argv[1]))
    for bug in sys.argv[3:]:
        BUGS[bug]()
    lose_answers(LOST_ANSWERS)
    SteppedClock(stage.clock).install()
    {"fast": fast, "litellm": litellm}[sys.argv[2]](stage).run()


if __name__ == "__main__":
    main()
