"""Four short scenes in which nothing is left to chance; each makes one of the planted bugs show, on every run.

`play` is the director's side. An actor is `python -m benchmarks.chaos.scenes DIR SCENE [BUG]`; it speaks and listens by its pipes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.chaos.stage import ROOT, Stage

if TYPE_CHECKING:
    from agentcore_metering.adapters.django.persistence.journal import DjangoRowStore
    from agentcore_metering.core.types import AttemptRecord
    from benchmarks.chaos.calling import FastCaller

__all__ = ["SCENES", "play"]

ACTOR_TIMEOUT_S = 60.0
CUE = "cue\n"


def play(stage: Stage, environment: dict[str, str], bugs: Sequence[str]) -> None:
    """Play all scenes; after each, what the dead actor left is delivered."""
    for name in SCENES:
        actor = stage.spawn(environment, "scenes", name, *bugs)
        assert actor.stdout is not None
        assert actor.stdin is not None
        for line in actor.stdout:
            if line == CUE:
                _adopt(stage, environment, bugs)
                actor.stdin.write(CUE)
                actor.stdin.flush()
        status = actor.wait(ACTOR_TIMEOUT_S)
        if status != -signal.SIGKILL:
            raise RuntimeError(f"the actor of {name!r} ended with status {status}; see {stage.log}")
        _adopt(stage, environment, bugs)


def _adopt(stage: Stage, environment: dict[str, str], bugs: Sequence[str]) -> None:
    with stage.log.open("a") as log:
        subprocess.run(stage.command("drain", "adopt", *bugs), cwd=ROOT, env=environment, stderr=log, check=True)


def commit_whose_answer_is_lost(caller: FastCaller, writes: Writes) -> None:
    """The database has the row and the writer does not know: somebody will write it again."""
    writes.answers_lost = 1
    caller.call()
    writes.wait_for_one()


def death_while_the_database_is_away(caller: FastCaller, writes: Writes) -> None:
    """A batch was read and could not be delivered; then the process dies."""
    writes.is_away = True
    caller.call()
    writes.wait_for_one()


def adopter_beside_a_living_process(caller: FastCaller, writes: Writes) -> None:
    """Another process looks for orphans while this one's writer hangs in the database; then it calls on and dies."""
    writes.hangs = True
    caller.call()
    writes.wait_for_one()
    print(CUE, end="", flush=True)
    sys.stdin.readline()
    caller.call()


def fork_after_traffic(caller: FastCaller, writes: Writes) -> None:
    """The child inherits journal, locks and threads; it calls and dies, then its parent does.

    One after the other: where both write to the same place at once, chance may leave the start of one and the end of the other, and
    an interrupted row stands for the record that was lost.
    """
    writes.hangs = True
    caller.call()
    writes.wait_for_one()
    caller.disconnect()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    caller.call()


SCENES: dict[str, Callable[[FastCaller, Writes], None]] = {
    "death while the database is away": death_while_the_database_is_away,
    "commit whose answer is lost": commit_whose_answer_is_lost,
    "adopter beside a living process": adopter_beside_a_living_process,
    "fork after traffic": fork_after_traffic,
}
"""In the order of the bugs that they are there for."""


class Writes:
    """What the database does to this process's writes, and how many there have been."""

    def __init__(self) -> None:
        self.answers_lost = 0
        self.is_away = False
        self.hangs = False
        self._seen = threading.Semaphore(0)

    def wait_for_one(self) -> None:
        """Until one more write has been tried."""
        if not self._seen.acquire(timeout=ACTOR_TIMEOUT_S):
            raise TimeoutError("the writer did not write")

    def intercept(self, store: type[DjangoRowStore], unavailable: type[Exception]) -> None:
        """Stand between the writer and the database."""
        write = store.write

        def intercepted(self_: DjangoRowStore, records: Sequence[AttemptRecord]) -> None:
            if self.hangs:
                self._seen.release()
                threading.Event().wait()
            if not self.is_away:
                write(self_, records)
            is_lost = self.is_away or self.answers_lost > 0
            self.answers_lost -= 1
            self._seen.release()
            if is_lost:
                raise unavailable("no answer")

        store.write = intercepted  # type: ignore[method-assign, assignment]


def main() -> None:
    """Play one scene, and die."""
    import django

    django.setup()

    from agentcore_metering.adapters.django.persistence.journal import DjangoRowStore
    from agentcore_metering.adapters.django.runtime import get_metering
    from agentcore_metering.delivery.store import StoreUnavailable
    from benchmarks.chaos.bugs import BUGS
    from benchmarks.chaos.calling import FastCaller

    for bug in sys.argv[3:]:
        BUGS[bug]()
    writes = Writes()
    writes.intercept(DjangoRowStore, StoreUnavailable)
    caller = FastCaller(Stage(Path(sys.argv[1])), get_metering().sink, os.environ["STUB_URL"])
    SCENES[sys.argv[2]](caller, writes)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
