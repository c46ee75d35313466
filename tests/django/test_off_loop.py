"""Work off the event loop is done in a forked child too, whose parent has used the thread for it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

import pytest

from agentcore_metering.adapters.django.off_loop import off_loop


def test_result_and_exception_come_back() -> None:
    def fail() -> None:
        raise LookupError("nothing")

    assert asyncio.run(off_loop(divmod, 7, 2)) == (3, 1)
    assert asyncio.run(off_loop(threading.current_thread)) is not threading.main_thread()
    with pytest.raises(LookupError, match="nothing"):
        asyncio.run(off_loop(fail))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_child_of_a_process_that_has_used_it_does_not_wait_for_ever() -> None:
    asyncio.run(off_loop(os.getpid))

    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os._exit(0 if asyncio.run(off_loop(os.getpid)) == os.getpid() else 1)

    assert os.waitpid(pid, 0)[1] == 0
