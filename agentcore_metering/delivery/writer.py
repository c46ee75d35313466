"""The durable side-channel as a whole: takes records from callers, has them delivered in the background, tells how it stands.

Owns the threads, from first use to exit, and the time between two passes; what a pass does is left to `drain`.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable

from agentcore_metering.core.clock import SystemClock
from agentcore_metering.core.containment import contained
from agentcore_metering.core.ports import Clock
from agentcore_metering.core.types import AttemptRecord, AttemptStart
from agentcore_metering.delivery.adoption import Adopter
from agentcore_metering.delivery.background import BackgroundLoop, Pause
from agentcore_metering.delivery.drain import Drain, Sources
from agentcore_metering.delivery.fork import survive_forks
from agentcore_metering.delivery.intake import MEMORY_RECORDS, Intake
from agentcore_metering.delivery.journal import Journal, SyncMode
from agentcore_metering.delivery.quarantine import Quarantine
from agentcore_metering.delivery.settlement import Settlement
from agentcore_metering.delivery.stats import WriterStats
from agentcore_metering.delivery.store import RowStore, StoreUnavailable
from agentcore_metering.delivery.throttle import LogThrottle

__all__ = ["Writer"]

logger = logging.getLogger(__name__)

PASS_INTERVAL_S = 0.5
LINGER_S = 0.1
"""How long a wake-up waits for more records: a transaction costs more than a row."""
BUSY_SHARE = 0.02
"""A busy process waits longer: each pass has a price of its own, whatever it finds."""
SYNC_INTERVAL_S = 0.5
IDLE_SYNC_S = 60.0
RELEASE_AFTER_S = 10.0
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 30.0
EXIT_FLUSH_S = 5.0
HURRY_EVERY_S = 0.5


class Writer:
    """One per process. Nothing is started, and no file made, before the first record."""

    def __init__(
        self,
        journal: Journal,
        store: RowStore,
        *,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        memory_records: int = MEMORY_RECORDS,
        has_threads: bool = True,
    ) -> None:
        """Without threads, records stay in the journal until somebody else delivers them."""
        clock = clock or SystemClock()
        self._journal = journal
        self._store = store
        self._clock = clock
        self._jitter = jitter
        self._throttle = LogThrottle(clock)
        self._intake = Intake(journal, clock, self._throttle, memory_records)
        self._settlement = Settlement(store, Quarantine(journal.directory, clock, self._throttle))
        self._adopter = Adopter(journal, self._throttle)
        sources = Sources(self._intake, journal, self._adopter)
        self._drain = Drain(sources, self._settlement, clock, self._throttle, self._tell_progress)
        self._drainer = BackgroundLoop(
            "agentcore-metering-writer",
            self._step,
            linger_s=LINGER_S,
            busy_share=BUSY_SHARE,
            at_end=self._release,
            may_start=has_threads,
        )
        self._syncer = BackgroundLoop(
            "agentcore-metering-sync", self._sync, linger_s=SYNC_INTERVAL_S, may_start=has_threads
        )
        self._begin()
        survive_forks(self)
        self._at_exit = _close_if_alive(self)
        atexit.register(self._at_exit)

    def attempt_started(self, start: AttemptStart) -> None:
        """Have the start on disk before the provider is called. Never raises."""
        with contained("journal"):
            self._own_process()
            self._intake.take_start(start)
            self.start()

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Have the record on disk, or in the next safest place, on return. Never raises, never waits for the store."""
        with contained("journal"):
            self._own_process()
            self._intake.take_end(record)
            self.start()
            self._drainer.wake()

    def start(self) -> None:
        """See to it that the threads run. Before the first record this delivers what dead processes have left."""
        self._drainer.ensure_running()
        if self._journal.sync_mode is SyncMode.INTERVAL and self._syncer.ensure_running():
            self._syncer.wake()

    def pending(self) -> int:
        """Records of this process that are not yet in the store."""
        journal, intake = self._journal, self._intake
        return journal.accepted - journal.settled + intake.accepted - intake.settled

    @property
    def is_database_down(self) -> bool:
        """Whether the last attempt to write failed, or one takes suspiciously long."""
        return self._drain.is_database_down

    def flush(self, timeout_s: float) -> bool:
        """Wait until all records of this process so far are in the store; False where that took longer than `timeout_s` seconds.

        False at once in the writer's own thread, and where no thread can be started: then another process delivers them.
        """
        journal, intake = self._journal, self._intake
        in_journal, in_memory = journal.accepted, intake.accepted

        def has_settled() -> bool:
            return journal.settled >= in_journal and intake.settled >= in_memory

        if self._drainer.is_current_thread or not self._drainer.ensure_running():
            return has_settled()
        until_s = time.monotonic() + timeout_s
        with self._progress:
            while not has_settled():
                remaining_s = until_s - time.monotonic()
                if remaining_s <= 0:
                    return False
                self._drainer.hurry()
                self._progress.wait(min(remaining_s, HURRY_EVERY_S))
        return True

    def drain_once(self) -> bool:
        """One pass in this thread: own records, and once a second dead processes'; whether anything was delivered.

        Raises StoreUnavailable; everything is kept then.
        """
        return self._drain.run_once()

    def adopt_once(self) -> int:
        """Deliver, in this thread, what dead processes have left; the number of segments. Raises StoreUnavailable."""
        return self._drain.adopt_once()

    def close(self, timeout_s: float = EXIT_FLUSH_S) -> bool:
        """Flush, end the threads and give up the files; whether everything is in the store.

        What is not is left for another process; what was in memory alone goes to the journal or, whole, to the log.
        """
        atexit.unregister(self._at_exit)
        until_s = time.monotonic() + timeout_s
        is_flushed = not self.pending() or self.flush(timeout_s)
        self._drainer.stop(max(0.0, until_s - time.monotonic()))
        self._syncer.stop(max(0.0, until_s - time.monotonic()))
        self._intake.give_up()
        with contained("journal"):
            self._journal.sync()
            self._journal.close()
        return is_flushed

    def stats(self) -> WriterStats:
        """How it stands now. Side effect: reads the oldest lines of the journal."""
        settlement, adopter = self._settlement, self._adopter
        return WriterStats(
            backlog_records=self.pending(),
            backlog_bytes=self._journal.unread_bytes,
            oldest_age_s=self._oldest_age_s(),
            written=settlement.written,
            repaired=settlement.repaired,
            quarantined=settlement.quarantined,
            dropped=self._intake.dropped,
            interrupted=adopter.interrupted,
            adopted=adopter.adopted,
            unreadable_lines=self._drain.unreadable_lines + adopter.unreadable_lines,
            is_database_down=self.is_database_down,
            faults=settlement.faults + self._intake.faults,
        )

    def before_fork(self) -> None:
        """Nothing: what is under way here stays here."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """Begin with nothing: records, threads and locks so far are the parent's."""
        for part in (self._intake, self._settlement, self._adopter, self._drain, self._drainer, self._syncer):
            part.reset()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._progress = threading.Condition()
        self._retry_s = FIRST_RETRY_S

    def _own_process(self) -> None:
        if self._pid != os.getpid():  # forked by something that does not call Python's hooks
            self.after_fork_in_child()

    def _tell_progress(self) -> None:
        with self._progress:
            self._progress.notify_all()

    def _step(self) -> Pause:
        try:
            self._drain.run_once()
        except Exception as exc:  # noqa: BLE001 - the thread must outlive every fault, or the backlog grows until the next start
            return Pause(self._next_retry_s(exc), is_backoff=True)
        self._retry_s = FIRST_RETRY_S
        idle_s = self._drain.idle_s
        if idle_s is not None and idle_s > RELEASE_AFTER_S:
            self._release()
        return Pause(PASS_INTERVAL_S)

    def _next_retry_s(self, reason: Exception) -> float:
        """Twice as long as the last time, give or take a half, so that the processes of a machine do not knock all at once."""
        if self._throttle.is_due("store"):
            is_bug = not isinstance(reason, StoreUnavailable)
            logger.log(
                logging.ERROR if is_bug else logging.WARNING,
                "%d usage records of this process wait for the database: %s",
                self.pending(),
                reason,
                exc_info=reason if is_bug else None,
            )
        delay_s = self._retry_s * (0.5 + self._jitter())
        self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)
        return min(delay_s, LAST_RETRY_S)

    def _release(self) -> None:
        with contained("store"):
            self._store.release()

    def _sync(self) -> Pause:
        with contained("journal"):
            self._journal.sync()
        return Pause(IDLE_SYNC_S)

    def _oldest_age_s(self) -> float | None:
        in_memory = self._intake.oldest()
        ends = [in_memory.ended_at] if in_memory else []
        with contained("journal"):
            in_journal = self._journal.oldest_unread()
            ends += [in_journal] if in_journal else []
        return max(0.0, (self._clock.now() - min(ends)).total_seconds()) if ends else None


def _close_if_alive(writer: Writer) -> Callable[[], None]:
    reference = weakref.ref(writer)

    def close() -> None:
        alive = reference()
        if alive is not None:
            alive.close()

    return close
